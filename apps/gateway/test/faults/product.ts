/** The product as it runs in production: processes of the gateway's main.ts, which are killed, and what must hold when all is over. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { migrate } from '@offshoot/data/migrate'
import { emptyDatabase, TEST_APP_SECRET, type TestDatabase } from '@offshoot/data/testing'
import { demo } from '@offshoot/host'
import { openSmtpServer, type SmtpServer } from '../../../../packages/platform/mail/test/smtp-server.ts'
import { domains } from '../../src/domains.ts'

export interface Product {
  database: Pick<TestDatabase, 'adminUrl' | 'admin'>
  mails: SmtpServer['received']
  /** The environment in which its processes run. */
  env: Record<string, string>
  /** One more process; `env` beside what all have. */
  start(env?: Record<string, string>): Promise<Process>
  /** What runs. */
  processes: Process[]
  /** Signs a demo user in. */
  signIn(email: string): Promise<string>
  /** Asks in a tenant, whichever process answers, until one does: no answer leads to the same request again. */
  ask(token: string, tenant: string | undefined, query: string, variables?: object): Promise<any>
  stop(): Promise<void>
}

/** A process of the gateway. */
export interface Process {
  url: string
  pid: number
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** Resolves when it has ended, whatever ended it. */
  ended: Promise<void>
  running(): boolean
  /** What it printed. */
  output(): string
}

const program = join(import.meta.dirname, '../../src/main.ts')

export interface ProductOptions {
  /** A NATS server that carries the events. */
  nats?: { url: string }
  processes?: number
}

export async function openProduct({ nats, processes: count = 2 }: ProductOptions = {}): Promise<Product> {
  const database = await emptyDatabase()
  await migrate({ adminUrl: database.adminUrl, domains: domains.map(({ data }) => data), appSecret: TEST_APP_SECRET })
  const smtp = await openSmtpServer()
  const processes: Process[] = []
  const env = {
    DATABASE_URL: database.adminUrl,
    APP_SECRET: TEST_APP_SECRET,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'warn',
    SMTP_URL: smtp.url,
    ...(nats && { NATS_URL: nats.url }),
  }

  /** A process that ends before it is ready, since the database has more to do than the machine can, is started again, as orchestrators do. */
  async function start(more: Record<string, string> = {}, attempts = 3): Promise<Process> {
    const started = await startProcess({ ...env, ...more }).catch((error) => {
      if (attempts === 1 || !String(error).includes('The database is not available')) throw error
    })
    if (!started) return start(more, attempts - 1)
    processes.push(started)
    void started.ended.then(() => processes.splice(processes.indexOf(started), 1))
    return started
  }

  /** Undefined where nobody answered: whether the request had its effect is not known then. */
  async function request(path: string, body: object, headers: Record<string, string>): Promise<Response | undefined> {
    const running = processes.filter((process) => process.running())
    const chosen = running[Math.floor(Math.random() * running.length)]
    return (
      chosen &&
      fetch(`${chosen.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(10_000),
      }).catch(() => undefined)
    )
  }

  async function signIn(email: string): Promise<string> {
    const answer = await request('/api/auth/sign-in/email', { email, password: demo.password }, {})
    return answer!.headers.get('set-auth-token')!
  }

  async function ask(token: string, tenant: string | undefined, query: string, variables: object = {}): Promise<any> {
    for (const end = Date.now() + 120_000; Date.now() < end; await pause(100)) {
      const headers = { authorization: `Bearer ${token}`, ...(tenant && { 'x-tenant': tenant }) }
      const answer = await request('/graphql', { query, variables }, headers)
      const { data, errors } = await (answer?.json() ?? Promise.reject()).catch(() => ({ errors: [away] }))
      if (!errors) return data
      if (errors.every((error: typeof away) => error.extensions.code in temporary)) continue
      throw new Error(`${query}: ${JSON.stringify(errors)}`)
    }
    throw new Error(`${query}: nobody answered within two minutes`)
  }

  try {
    while (processes.length < count) await start() // the first plants the demo
  } catch (error) {
    await stop()
    throw error
  }

  async function stop(): Promise<void> {
    await Promise.all([...processes].map((process) => process.kill()))
    await smtp.close()
    await database.drop().catch(() => {}) // its server may be gone
  }

  return {
    database,
    mails: smtp.received,
    env,
    start,
    processes,
    signIn,
    ask,
    stop,
  }
}

const temporary = { UNAVAILABLE: true, DEADLINE_EXCEEDED: true }
const away = { extensions: { code: 'UNAVAILABLE' } }

/** On the first port that it can have, and so on none that another process takes at the same moment. */
async function startProcess(env: Record<string, string>): Promise<Process> {
  const { PATH = '', HOME = '', NODE_COMPILE_CACHE = '' } = process.env
  const child = spawn(process.execPath, [program], {
    env: { PATH, HOME, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'], // when this process ends, it stops
  })
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      output += part
    })
  }
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message: { url: string }) => resolve(message.url.replace('localhost', '127.0.0.1')))
    void ended.then(() => reject(new Error(`The gateway ended before it was ready: ${output}`)))
  })
  return {
    url,
    pid: child.pid!,
    kill: () => kill(child, ended),
    ended,
    running: () => child.exitCode === null && child.signalCode === null && !child.killed,
    output: () => output,
  }
}

async function kill(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGKILL')
  await ended
}

/** Resolves once `condition` holds; rejects after `ms`. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  for (const end = Date.now() + ms; !(await condition()); await pause(20)) {
    if (Date.now() > end) throw new Error(`It did not come to be within ${ms} ms: ${condition}`)
  }
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
