import { recordTelemetry } from '@offshoot/telemetry/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addressRefused, catchingMailer, type Mailer, smtpMailer } from '../src/index.ts'
import { openSmtpServer, type SmtpServer } from './smtp-server.ts'

const from = 'Offshoot <no-reply@offshoot.test>'
const mail = { to: 'ann@acme.test', subject: 'Invitation', text: 'Come in:\nhttp://localhost:4000/invitations/1' }

const servers: SmtpServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})
async function server(): Promise<SmtpServer> {
  const opened = await openSmtpServer()
  servers.push(opened)
  return opened
}

/** What somebody might type as their address, to reach others or to write a header of ours. */
const injections = [
  ['a line break and a header', 'ann@acme.test\r\nBcc: eve@evil.test'],
  ['a bare line feed', 'ann@acme.test\nBcc: eve@evil.test'],
  ['an SMTP command', 'ann@acme.test>\r\nRCPT TO:<eve@evil.test'],
  ['a second address', 'ann@acme.test, eve@evil.test'],
  ['a group', 'all: ann@acme.test, eve@evil.test;'],
  ['an address in a name', '"ann@acme.test" <eve@evil.test>'],
  ['a comment', 'eve@evil.test (ann@acme.test)'],
  ['nothing', ''],
  ['no address', 'ann'],
  ['a blank', 'ann @acme.test'],
] as const

describe('mail that is sent', () => {
  it('arrives as it was written, from the address of the installation', async () => {
    const smtp = await server()
    const mailer = smtpMailer(smtp.url, from)
    expect(mailer.caught).toBeNull()
    await mailer.send(mail)
    await mailer.send({ ...mail, to: 'bo@globex.test', subject: 'Grüße 🙂', text: '.\r\nQUIT\r\n' })
    expect(smtp.received[0]).toMatchObject({
      from: '<no-reply@offshoot.test>',
      to: ['<ann@acme.test>'],
      body: mail.text,
    })
    expect(smtp.received[0]!.headers.get('subject')).toBe('Invitation')
    expect(smtp.received[0]!.headers.get('from')).toBe(from)
    expect(smtp.received[1]).toMatchObject({ to: ['<bo@globex.test>'], body: '.\nQUIT' })
    expect(smtp.received[1]!.headers.get('subject')).toMatch(/^=\?UTF-8\?/)
  })

  it('has the Message-ID that it was given, at the domain of the installation, each time', async () => {
    const smtp = await server()
    const mailer = smtpMailer(smtp.url, from)
    for (let sent = 0; sent < 2; sent++) await mailer.send({ ...mail, messageId: '0198-a.b' })
    await mailer.send(mail)
    const [first, second, other] = smtp.received.map(({ headers }) => headers.get('message-id'))
    expect([first, second]).toEqual(['<0198-a.b@offshoot.test>', '<0198-a.b@offshoot.test>'])
    expect(other).not.toBe(first)
    await expect(mailer.send({ ...mail, messageId: 'a>\r\nBcc: eve@evil.test' })).rejects.toThrow('messageId')
  })

  it('rejects when the mail server refuses the address, and that can be told from other failures', async () => {
    const smtp = await server()
    const refusal = await smtpMailer(smtp.url, from)
      .send({ ...mail, to: 'refused@acme.test' })
      .catch((error) => error)
    expect(refusal.message).toMatch('no such mailbox')
    expect(addressRefused(refusal)).toBe(true)
    expect(
      addressRefused(
        await smtpMailer('smtp://127.0.0.1:1', from)
          .send(mail)
          .catch((error) => error),
      ),
    ).toBe(false)
    expect(smtp.received).toEqual([])
  })

  it('rejects when there is no mail server, without naming the password that it has', async () => {
    const smtp = await server()
    await smtp.close()
    servers.length = 0
    const url = smtp.url.replace('//', '//mailer:S3CRET@')
    const failure = await smtpMailer(url, from)
      .send(mail)
      .catch((error) => error)
    expect(failure).toMatchObject({ code: expect.stringMatching(/ECONN|ESOCKET/) })
    expect(JSON.stringify({ ...failure, message: failure.message, stack: failure.stack })).not.toMatch('S3CRET')
  })

  it.each(injections)('reaches nobody when the address is %s', async (_, to) => {
    const smtp = await server()
    await expect(smtpMailer(smtp.url, from).send({ ...mail, to })).rejects.toThrow(/not one mail address/)
    expect(smtp.received).toEqual([])
  })

  it('keeps a subject with line breaks in its one header', async () => {
    const smtp = await server()
    await smtpMailer(smtp.url, from).send({ ...mail, subject: 'Acme\r\nBcc: eve@evil.test\r\n\r\nBuy!' })
    const [{ to, headers, body }] = smtp.received as [SmtpServer['received'][0]]
    expect(to).toEqual(['<ann@acme.test>'])
    expect(headers.has('bcc')).toBe(false)
    expect(headers.get('subject')).toMatch(/Acme/)
    expect(body).toBe(mail.text)
  })
})

describe('mail that is caught', () => {
  it('is kept, newest first, and never leaves', async () => {
    const mailer = catchingMailer(from)
    await mailer.send(mail)
    await mailer.send({ ...mail, subject: 'Second' })
    expect(mailer.caught).toEqual([
      { ...mail, subject: 'Second', at: expect.any(String) },
      { ...mail, at: expect.any(String) },
    ])
  })

  it('is forgotten beyond the last 200', async () => {
    const mailer = catchingMailer(from)
    for (let n = 1; n <= 203; n++) await mailer.send({ ...mail, subject: `${n}` })
    const subjects = mailer.caught!.map(({ subject }) => subject)
    expect(subjects).toHaveLength(200)
    expect([subjects[0], subjects.at(-1)]).toEqual(['203', '4'])
  })

  it('is refused for what a mail server would never get', async () => {
    const mailer: Mailer = catchingMailer(from)
    for (const [, to] of injections) await expect(mailer.send({ ...mail, to })).rejects.toThrow(/not one mail address/)
    expect(mailer.caught).toEqual([])
  })
})

describe('a mail in telemetry', () => {
  const recording = recordTelemetry()
  beforeEach(() => recording.reset())
  const signals = async () => JSON.stringify([recording.spans().map(readable), await recording.metrics()])
  const readable = ({ name, attributes, events, status }: ReturnType<typeof recording.spans>[number]) => ({
    name,
    attributes,
    events,
    status,
  })

  it('is a span with its id, and its duration is measured; neither address nor subject is told', async () => {
    const smtp = await server()
    for (const mailer of [smtpMailer(smtp.url, from), catchingMailer(from)]) {
      await mailer.send({ ...mail, messageId: '0198-a' })
      expect(recording.spans()).toHaveLength(1)
      expect(recording.spans()[0]).toMatchObject({
        name: 'send mail',
        kind: 2,
        attributes: { 'offshoot.mail.message_id': '0198-a' },
        status: { code: 0 },
      })
      recording.reset()
    }
    expect((await recording.metrics())['offshoot.mail.duration']).toContainEqual(
      expect.objectContaining({ labels: {}, value: expect.objectContaining({ count: expect.any(Number) }) }),
    )
    expect(await signals()).not.toMatch(/ann|@acme|Invitation|Come in/)
  })

  it('that the mail server refuses tells that it did, not what it answered', async () => {
    const smtp = await server()
    await expect(smtpMailer(smtp.url, from).send({ ...mail, to: 'refused@acme.test' })).rejects.toThrow('mailbox')
    expect(recording.spans().map(readable)).toMatchObject([
      { attributes: { 'error.type': 'EENVELOPE' }, events: [], status: { code: 2 } },
    ])
    expect((await recording.metrics())['offshoot.mail.duration']).toContainEqual(
      expect.objectContaining({ labels: { 'error.type': 'EENVELOPE' } }),
    )
    expect(await signals()).not.toMatch(/refused|@acme|mailbox/)
  })
})
