import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@offshoot/data/testing'
import { natsTransport } from '../src/runtime.ts'
import { type Carrier, until } from './shop.ts'

/** Debian: `apt-get install nats-server`. */
export const natsIsInstalled = spawnSync('nats-server', ['--version']).error === undefined

export interface NatsServer extends Carrier {
  url: string
  /** Starts it, where it was stopped. */
  start(): Promise<void>
  halt(): Promise<void>
  /** Forgets all streams; only while it is stopped. */
  wipe(): void
}

/** A NATS server with JetStream of one's own, on a free port; what it keeps is deleted when it stops. */
export async function startNats(): Promise<NatsServer> {
  const directory = mkdtempSync(join(tmpdir(), 'offshoot-nats-'))
  const port = await freePort()
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    child = spawn('nats-server', ['-js', '-a', '127.0.0.1', '-p', String(port), '-sd', directory], { stdio: 'ignore' })
    await until(() => answers(port))
  }

  async function halt(): Promise<void> {
    if (!child) return
    const ended = new Promise((resolve) => child!.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
    child = undefined
  }

  const wipe = () => rmSync(directory, { recursive: true, force: true })
  const url = `nats://127.0.0.1:${port}`
  await start()
  return {
    name: 'NATS',
    url,
    start,
    halt,
    wipe,
    connect: (_, onTrouble) => natsTransport({ url, onTrouble }),
    async stop() {
      await halt()
      wipe()
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', () => resolve(true)) // it says INFO
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    socket.once('data', () => socket.destroy())
  })
}
