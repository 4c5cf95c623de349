/**
 * One product runs per data directory. Whoever runs it listens on a port of its own for the question whether it still lives; the
 * answer has the token of its note, so neither a process that got the same id nor a server that got the same port is mistaken for it
 * after a crash.
 *
 * Notes are numbered. A note whose writer is gone is never taken away by those who want its place, since two could each take away
 * another's; they race to create the next number, which one of them can. The holder is whoever wrote the highest.
 */
import { randomUUID } from 'node:crypto'
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { explainFileError, makeDataDirectory } from '@offshoot/data/server'

/** What a running product says of itself. */
export interface Running {
  pid: number
  /** Undefined while it is starting. */
  url?: string
}

/** The right to run the product of a data directory. */
export interface Instance {
  /** Tells others where the product is reached. */
  announce(url: string): void
  release(): void
}

interface Note {
  port: number
  token: string
}

/** Takes the right to run the product of `dataDir`, or says who has it. */
export async function claim(dataDir: string): Promise<Instance | Running> {
  const token = randomUUID()
  const self: Running & { token: string } = { pid: process.pid, token }
  await makeDataDirectory(dataDir)
  const server = await answering(() => JSON.stringify(self))
  const note = JSON.stringify({ port: (server.address() as AddressInfo).port, token } satisfies Note)
  const own = join(dataDir, `${token}.tmp`)
  await writeFile(own, note, { mode: 0o600 }).catch((error) => {
    throw explainFileError(error, dataDir)
  })

  try {
    for (;;) {
      const last = Math.max(0, ...(await numbers(dataDir)))
      const running = await ask(await readFile(file(dataDir, last), 'utf8').catch(() => ''))
      if (running) {
        server.close()
        return running
      }
      if (!(await place(own, file(dataDir, last + 1)))) continue
      const all = await numbers(dataDir)
      const mine = last + 1
      const older = all.filter((number) => number < mine)
      if (all.some((number) => number > mine)) older.push(mine)
      await Promise.all(older.map((number) => rm(file(dataDir, number), { force: true })))
      if (!older.includes(mine)) break
    }
  } finally {
    await rm(own, { force: true })
  }

  return {
    announce(url) {
      self.url = url
    },
    release() {
      server.close()
    },
  }
}

function answering(answer: () => string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.end(answer())
    })
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server.unref()))
  })
}

const file = (dataDir: string, number: number) => join(dataDir, `running.${number}.json`)

async function numbers(dataDir: string): Promise<number[]> {
  const names = await readdir(dataDir)
  return names.flatMap((name) => Number(/^running\.(\d+)\.json$/.exec(name)?.[1] ?? Number.NaN) || [])
}

/** Complete at once, and only where there is none. */
async function place(own: string, target: string): Promise<boolean> {
  try {
    await link(own, target)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Asks the process that wrote `text`; undefined when it is gone. */
async function ask(text: string): Promise<Running | undefined> {
  try {
    const note = JSON.parse(text) as Note
    const { token, ...running } = JSON.parse(await read(note.port)) as Running & { token: string }
    return token === note.token ? running : undefined
  } catch {
    return undefined
  }
}

function read(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({ host: '127.0.0.1', port, timeout: 2_000 })
    socket.setEncoding('utf8')
    socket.on('data', (part) => {
      text += part
    })
    socket.on('timeout', () => socket.destroy(new Error('no answer')))
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })
}
