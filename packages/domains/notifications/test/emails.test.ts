import { setTimeout as sleep } from 'node:timers/promises'
import { identity } from '@offshoot/identity/contract'
import { type Mailer, smtpMailer } from '@offshoot/mail'
import { orders } from '@offshoot/orders/contract'
import { tenantId, userId } from '@offshoot/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openSmtpServer } from '../../../platform/mail/test/smtp-server.ts'
import { notifications } from '../src/contract.ts'
import { outgoingEmail } from '../src/flags.ts'
import { openWorld, type World } from './world.ts'

let world: World
let caught: Mailer
beforeAll(async () => {
  world = await openWorld()
  caught = world.app.platform.mailer
})
afterAll(() => world.app.stop())
afterEach(async () => {
  world.app.flags.set(outgoingEmail, true)
  world.app.platform.mailer = caught
  await world.settled()
  world.mailed()
})

const list = async (first = 100, tenant = 'acme') =>
  (await world.app.client(notifications, { tenant }).emails({ first })).items

describe('an order', () => {
  it('that is confirmed is told to whoever placed it, in a mail that says where, what and how much', async () => {
    const order = await world.place(await world.product(), { role: 'member' })
    await world.settled()
    const [email] = await list()
    expect(world.mailed()).toEqual([
      {
        at: expect.any(String),
        to: 'member@acme.test',
        subject: 'Acme: your order is confirmed',
        text: `Hello Max Member,\n\nYour order ${order.id} over EUR 25.00 is paid and confirmed.\n\nAcme`,
        messageId: email!.id,
      },
    ])
    expect(email).toEqual({
      id: expect.any(String),
      template: 'order-confirmed',
      user: userId('member@acme.test'),
      status: 'SENT',
      createdAt: expect.any(String),
      sentAt: expect.any(String),
    })
  })

  it.each([
    ['is out of stock', { stock: 1 }, /cancelled: there is not enough in stock/],
    ['cannot be paid', { paymentMethod: 'pm_declined' }, /cancelled: the payment failed/],
  ])(
    'that %s is told with the reason',
    async (_, { stock, paymentMethod }: { stock?: number; paymentMethod?: string }, reason) => {
      await world.place(await world.product(stock), { paymentMethod })
      await world.settled()
      expect(world.mailed()).toMatchObject([{ to: 'owner@acme.test', text: expect.stringMatching(reason) }])
    },
  )

  it('that is cancelled after it was confirmed is told twice: once for each', async () => {
    const { id } = await world.place(await world.product())
    await world.settled()
    await world.app.client(orders).cancel({ id })
    await world.settled()
    expect(world.mailed().map(({ subject }) => subject)).toEqual([
      'Acme: your order is confirmed',
      'Acme: your order was cancelled',
    ])
  })

  it('is told within 5 s', async () => {
    const { id } = await world.place(await world.product())
    const told = () => world.app.mailer.caught!.some(({ text }) => text.includes(id))
    await expect.poll(told, { timeout: 5_000 }).toBe(true)
  })

  it('is told once, however often everything is delivered', async () => {
    for (const paymentMethod of ['pm_ok', 'pm_declined']) await world.place(await world.product(), { paymentMethod })
    await world.settled()
    expect(world.mailed()).toHaveLength(2)
    for (let again = 0; again < 2; again++) await world.deliverAgain()
    expect(world.mailed()).toEqual([])
  })

  it('is told once, even when nobody remembers any more which events were handled', async () => {
    await world.place(await world.product())
    await world.settled()
    expect(world.mailed()).toHaveLength(1)
    for (const table of ['inbox', 'inbox_head']) await world.app.database.admin(`DELETE FROM notifications.${table}`)
    await world.deliverAgain()
    expect(world.mailed()).toEqual([])
  })
})

describe('the mail server', () => {
  it('may be away for a while: mails wait, orders do not, and each is sent once', async () => {
    world.app.platform.mailer = smtpMailer('smtp://127.0.0.1:1', 'Shop <shop@acme.test>')
    const placed = [await world.place(await world.product()), await world.place(await world.product())]
    await expect.poll(async () => (await list(2)).map(({ status }) => status)).toEqual(['QUEUED', 'QUEUED'])
    const ids = placed.map(({ id }) => id)
    await expect
      .poll(async () => (await world.app.client(orders).getMany({ ids })).map((order) => order?.status))
      .toEqual(['CONFIRMED', 'CONFIRMED'])
    await expect.poll(failures).toEqual(['Error: The mail server did not take the mail (ESOCKET).'])

    const smtp = await openSmtpServer()
    world.app.platform.mailer = smtpMailer(smtp.url, 'Shop <shop@acme.test>')
    await world.settled()
    await smtp.close()
    expect(smtp.received.map(({ headers }) => headers.get('message-id')).sort()).toEqual(
      (await list(2)).map(({ id }) => `<${id}@acme.test>`).sort(),
    )
    expect((await list(2)).map(({ status }) => status)).toEqual(['SENT', 'SENT'])
  })

  it('gets a mail again, with the same Message-ID, when nobody knows whether it took it', async () => {
    const smtp = await openSmtpServer()
    const mailer = smtpMailer(smtp.url, 'Shop <shop@acme.test>')
    let answers = 0
    world.app.platform.mailer = {
      caught: null,
      async send(mail) {
        await mailer.send(mail)
        if (++answers === 1) throw new Error('The connection ended before the answer.')
      },
    }
    await world.place(await world.product())
    await world.settled()
    await smtp.close()
    const [email] = await list(1)
    const id = `<${email!.id}@acme.test>`
    expect(smtp.received.map(({ headers }) => headers.get('message-id'))).toEqual([id, id])
    expect(email!.status).toBe('SENT')
  })

  it('that knows no such address is not asked again', async () => {
    const smtp = await openSmtpServer()
    world.app.platform.mailer = smtpMailer(smtp.url, 'Shop <shop@acme.test>')
    const address = `refused@acme.test`
    await world.app.database.admin(`UPDATE identity."user" SET email = $1 WHERE id = $2`, [
      address,
      userId('member@acme.test'),
    ])
    await world.place(await world.product(), { role: 'member' })
    await world.settled()
    await smtp.close()
    expect((await list(1))[0]).toMatchObject({ status: 'REFUSED', sentAt: null })
    await world.app.database.admin(`UPDATE identity."user" SET email = $1 WHERE id = $2`, [
      'member@acme.test',
      userId('member@acme.test'),
    ])
  })
})

describe('outgoing mail', () => {
  it('that is switched off waits, and goes promptly when it is on again: each once, without a failure', async () => {
    world.app.flags.set(outgoingEmail, false)
    const sent = { other: await world.place(await world.product(1_000, 'globex'), { tenant: 'globex' }) }
    for (let n = 0; n < 5; n++) await world.place(await world.product())
    await expect.poll(async () => (await list(5)).map(({ status }) => status)).toEqual(Array(5).fill('QUEUED'))
    await sleep(800)
    expect(world.mailed()).toEqual([])
    expect(await attempts()).toEqual([0])
    world.app.flags.set(outgoingEmail, true)
    const began = performance.now()
    await expect.poll(async () => (await list(5)).map(({ status }) => status)).toEqual(Array(5).fill('SENT'))
    expect(performance.now() - began).toBeLessThan(10_000)
    await world.settled()
    const mails = world.mailed()
    expect(mails).toHaveLength(6)
    expect(mails.filter(({ text }) => text.includes(sent.other.id))).toHaveLength(1)
    expect(await attempts()).toEqual([])
  })

  it('can be switched off for one tenant, which holds up nobody else', async () => {
    const notGlobex = { contextName: 'tenant', operator: 'NOT_IN', values: [tenantId('globex')] }
    world.app.flags.set(outgoingEmail, [{ name: 'default', parameters: {}, constraints: [notGlobex] }])
    await world.place(await world.product(1_000, 'globex'), { tenant: 'globex' })
    await world.place(await world.product())
    await expect.poll(async () => (await list(1, 'globex'))[0]!.status).toBe('QUEUED')
    const mails: string[] = []
    await expect
      .poll(() => {
        mails.push(...world.mailed().map(({ to }) => to))
        return mails
      })
      .toEqual(['owner@acme.test'])
    world.app.flags.set(outgoingEmail, true)
    await world.settled()
    expect(world.mailed().map(({ to }) => to)).toEqual(['owner@globex.test'])
  })
})

describe('somebody who left', () => {
  it('gets no mail any more, not even one that was queued before', async () => {
    world.app.flags.set(outgoingEmail, false)
    await world.place(await world.product(), { user: 'both@offshoot.test' })
    await expect
      .poll(async () => (await list(1))[0])
      .toMatchObject({ user: userId('both@offshoot.test'), status: 'QUEUED' })
    const members = world.app.client(identity)
    const [member] = await members.members({ users: [userId('both@offshoot.test')] })
    await members.removeMember({ id: member!.id })
    world.app.flags.set(outgoingEmail, true)
    await world.settled()
    expect((await list(1))[0]).toMatchObject({ status: 'SKIPPED', sentAt: null })
    expect(world.mailed()).toEqual([])
  })
})

describe('the list of mails', () => {
  it('is for owners and admins of the tenant', async () => {
    const other = await world.place(await world.product(1_000, 'globex'), { tenant: 'globex' })
    await world.settled()
    const [mail] = world.mailed()
    expect(mail).toMatchObject({ to: 'owner@globex.test', text: expect.stringContaining(other.id) })
    const theirs = await list(100, 'globex')
    expect(new Set(theirs.map(({ user }) => user))).toEqual(new Set([userId('owner@globex.test')]))
    expect((await list()).map(({ id }) => id)).not.toContain(theirs[0]!.id)
    const member = world.app.client(notifications, { role: 'member' })
    await expect(member.emails({ first: 1 })).rejects.toMatchObject({ code: 'FORBIDDEN', reason: 'ROLE_REQUIRED' })
  })

  it('is read page by page, newest first, with one statement each', async () => {
    const all = await list()
    expect(all.map(({ id }) => id)).toEqual(
      all
        .map(({ id }) => id)
        .toSorted()
        .toReversed(),
    )
    world.app.statements.length = 0
    const { items, more } = await world.app.client(notifications).emails({ first: 2, after: all[0]!.id })
    expect({ items, more }).toEqual({ items: all.slice(1, 3), more: true })
    expect(world.app.statements).toHaveLength(1)
    expect(world.app.statements[0]).toMatchObject({
      tenant: tenantId('acme'),
      sql: expect.stringContaining('tenant_id'),
    })
  })
})

it('keeps and logs no address, no name and no text', async () => {
  const rows = await world.app.database.admin<{ row: string }>(`SELECT e::text AS row FROM notifications.email e`)
  const inbox = await world.app.database.admin<{ row: string }>(`SELECT i::text AS row FROM notifications.inbox i`)
  const kept = [...rows, ...inbox].map(({ row }) => row).join('\n')
  for (const text of [kept, world.app.logged.join('\n')])
    expect(text).not.toMatch(/@(acme|offshoot)\.test|Max Member|Hello/)
})

/** How often what waits for the mail server was tried. */
async function attempts(): Promise<number[]> {
  const rows = await world.app.database.admin<{ attempts: number }>(
    `SELECT DISTINCT attempts FROM notifications.inbox_head WHERE handler = 'send-email' AND ready_at IS NOT NULL`,
  )
  return rows.map(({ attempts }) => attempts)
}

async function failures(): Promise<string[]> {
  const rows = await world.app.database.admin<{ error: string }>(
    `SELECT DISTINCT error FROM notifications.inbox WHERE status = 'pending' AND error IS NOT NULL`,
  )
  return rows.map(({ error }) => error)
}
