import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { inSpan, traceparentOf } from '@offshoot/telemetry'
import { recordTelemetry } from '@offshoot/telemetry/testing'
import { describe, expect, it } from 'vitest'
import { openReceiver } from '../../telemetry/test/receiver.ts'
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

  it('says in which trace a line was written, and nothing of the kind outside of one', async () => {
    recordTelemetry()
    const { log, last } = openLog()
    await inSpan('rpc.call', 'orders.place', {}, async () => {
      log.child({ requestId: 'r-1' }).info('within')
      const [, trace_id, span_id] = traceparentOf()!.split('-')
      expect(last()).toMatchObject({ trace_id, span_id, trace_flags: 1, requestId: 'r-1' })
    })
    log.info('outside')
    expect(last()).not.toHaveProperty('trace_id')
  })
})

describe('what somebody typed, in a log', () => {
  it('is no line of its own for whoever reads it, and does nothing to a terminal', async () => {
    const { stderr } = await logging({ NODE_ENV: 'development', OTEL_SDK_DISABLED: 'true' })
    expect(stderr).toContain(String.raw`INFO: \r\n[12:00:00.000] INFO: forged\u001b[2K\u009b2K\u2028forged`)
    const lines = stderr.trimEnd().split(/[\n\r\u2028]/)
    expect(
      lines.filter(
        (line) => line.includes('forged') && !/^( {4}|\[\d\d:\d\d:\d\d\.\d+\] (INFO|WARN|ERROR): )/.test(line),
      ),
    ).toEqual([])
    expect(lines.filter((line) => line.startsWith('['))).toHaveLength(6)
    expect(stderr).not.toMatch(/[^\P{C}\n]/u)
    expect(stderr).toMatch(/\n +at .*logging\.ts/)
  })

  it('is part of a line of JSON in production', async () => {
    const { stderr } = await logging({ NODE_ENV: 'production' })
    const lines = stderr.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line).msg)).toHaveLength(6)
    expect(stderr).not.toMatch(/[^\P{C}\n]/u)
  })
})

describe('a log that is exported', () => {
  it('leaves as it stands there: without secrets, with its trace', async () => {
    const receiver = await openReceiver()
    const { stderr } = await logging({
      NODE_ENV: 'production',
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${receiver.url}/v1/logs`,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces`,
    })
    await receiver.close()
    const { trace_id } = JSON.parse(stderr.trimEnd().split('\n').at(-1)!)
    const exported = receiver.received('logs')
    for (const said of ['within a trace', 'acme', '[redacted]', Buffer.from(trace_id, 'hex').toString('latin1')])
      expect(exported).toContain(said)
    expect(exported + stderr).not.toContain('CANARY')
  })
})

function logging(env: Record<string, string>) {
  const register = new URL('../../telemetry/src/register.ts', import.meta.url).href
  const program = `${import.meta.dirname}/programs/logging.ts`
  return promisify(execFile)(process.execPath, ['--import', register, program], { env })
}
