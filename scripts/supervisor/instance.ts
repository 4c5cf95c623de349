/**
 * One product runs per data directory. Whoever runs it listens on a port of its own for the question whether it still lives; the
 * answer has the token of `running.json`, so neither a process that got the same id nor a server that got the same port is mistaken
 * for it after a crash.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'

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
  release(): Promise<void>
}

interface Note {
  port: number
  token: string
}

/** Takes the right to run the product of `dataDir`, or says who has it. */
export async function claim(dataDir: string): Promise<Instance | Running> {
  const file = join(dataDir, 'running.json')
  const token = randomUUID()
  const self: Running & { token: string } = { pid: process.pid, token }
  await mkdir(dataDir, { recursive: true })
  const server = await answering(() => JSON.stringify(self))
  const note = JSON.stringify({ port: (server.address() as AddressInfo).port, token } satisfies Note)

  while (!(await create(file, note))) {
    const present = await readFile(file, 'utf8').catch(() => '')
    const running = await ask(present)
    if (running) {
      server.close()
      return running
    }
    // Of several that find the same dead note, one takes it away; a note that is not the one found dead is put back.
    const stale = `${file}.${process.pid}`
    await rename(file, stale).catch(() => {})
    const taken = await readFile(stale, 'utf8').catch(() => present)
    if (taken !== present) await create(file, taken)
    await rm(stale, { force: true })
  }

  return {
    announce(url) {
      self.url = url
    },
    async release() {
      server.close()
      await rm(file, { force: true })
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

async function create(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 })
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
