import { describe, expect, it } from 'vitest'
import { createLogger } from '../src/index.ts'

function openLog() {
  const lines: string[] = []
  const log = createLogger({ level: 'info', production: true, destination: { write: (line) => void lines.push(line) } })
  return { log, last: () => JSON.parse(lines.at(-1)!), text: () => lines.join('\n') }
}

describe('the log', () => {
  it('is JSON lines, with the level as a word', () => {
    const { log, last } = openLog()
    log.child({ requestId: 'r-1' }).warn({ ms: 3, at: new Date(0), none: null, list: [1] }, 'slow')
    expect(last()).toMatchObject({
      level: 'warn',
      msg: 'slow',
      requestId: 'r-1',
      ms: 3,
      at: '1970-01-01T00:00:00.000Z',
      none: null,
      list: [1],
    })
  })

  it('has no secret, however deep and however it is spelled', () => {
    const { log, text, last } = openLog()
    const canary = 'CANARY'
    log.child({ session: { token: canary } }).info(
      {
        password: canary,
        user: { email: canary, newPassword: canary, name: 'Ann' },
        request: { headers: { authorization: canary, cookie: canary, 'set-auth-token': canary, 'x-api-key': canary } },
        a: { b: { c: [{ d: { clientSecret: canary } }] } },
        keys: [{ apiKey: canary, api_key: canary }],
      },
      'signed in',
    )
    expect(text()).not.toMatch(canary)
    expect(last().user).toEqual({ email: '[redacted]', newPassword: '[redacted]', name: 'Ann' })
  })

  it('has no password of a URL, and nobody’s address', () => {
    const { log, text } = openLog()
    log.info(
      {
        to: 'ann.CANARY@acme.test',
        url: 'postgres://role:CANARY@db:5432/x',
        where: new URL('smtp://CANARY:CANARY@mail'),
      },
      'x',
    )
    log.info(
      {
        err: new Error('550 <ann.CANARY@acme.test>: rejected', { cause: new Error('at postgres://CANARY:CANARY@db') }),
      },
      'x',
    )
    expect(text()).not.toMatch('CANARY')
    expect(text()).toMatch(/550 .*acme\.test.*rejected/)
    expect(text()).toMatch('@db:5432/x')
  })

  it('has the kind, code, place and causes of an error, and nothing of the data that it quotes', () => {
    const { log, text, last } = openLog()
    const message =
      '\nInvalid `db.user.create()` invocation:\n\n{\n  data: {\n    name: "CANARY",\n    age: 3\n  }\n}\n\nUnknown argument `age`.'
    const prisma = Object.assign(new Error(message), {
      name: 'PrismaClientValidationError',
      code: 'P2002',
      meta: { driverAdapterError: { cause: { originalMessage: 'Key (name)=(CANARY) already exists.' } } },
    })
    const postgres = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (name)=(CANARY) exists' })
    for (const report of [
      () => log.error(prisma),
      () => log.error({ err: prisma }),
      () => log.error({ err: new Error('x', { cause: prisma }) }, 'failed'),
      () => log.error({ problem: postgres }, 'x'),
    ])
      report()
    expect(text()).not.toMatch('CANARY')
    log.error({ err: prisma }, 'failed')
    expect(last().err).toMatchObject({
      type: 'PrismaClientValidationError',
      code: 'P2002',
      message: 'Unknown argument `age`.',
    })
    expect(last().err.stack).toMatch(/^\s+at .*logger\.test\.ts/)
    log.error({ err: new Error('x', { cause: postgres }) }, 'failed')
    expect(last().err).toMatchObject({
      type: 'Error',
      message: 'x',
      cause: { code: '23505', message: 'duplicate key' },
    })
  })

  it('survives cycles and things that are not data', () => {
    const { log, last } = openLog()
    const cycle: Record<string, unknown> = { buffer: Buffer.from('x'), map: new Map([['a', 1]]) }
    cycle.self = cycle
    log.info({ cycle, error: Object.assign(new Error('x'), { cause: cycle }) }, 'odd')
    expect(last().msg).toBe('odd')
    expect(last().cycle).toMatchObject({ buffer: '[Buffer]', map: '[Map]' })
  })
})
