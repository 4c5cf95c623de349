import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { type HttpServer, listen, PortTakenError } from '../src/index.ts'

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const thing of opened.splice(0)) await thing.close()
})

async function open(options: { port?: number; orNext?: boolean; setting?: string } = {}): Promise<HttpServer> {
  const server = await listen({ host: '127.0.0.1', port: 0, ...options })
  opened.push(server)
  return server
}

/** A port that somebody else listens on. */
async function takenPort(): Promise<number> {
  const other = createServer().listen(0, '127.0.0.1')
  opened.push(other)
  await once(other, 'listening')
  return (other.address() as AddressInfo).port
}

async function read(port: number, agent?: Agent): Promise<{ status: number; text: string }> {
  const [response] = (await once(get({ port, host: '127.0.0.1', agent }), 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode!, text }
}

describe('an HTTP server', () => {
  it('answers 503 until there is something to serve', async () => {
    const server = await open()
    expect(await read(server.port)).toMatchObject({ status: 503 })
    server.serve((_, response) => response.end('here'))
    expect(await read(server.port)).toEqual({ status: 200, text: 'here' })
  })

  it('fails when its port is taken, and says what to do', async () => {
    const port = await takenPort()
    const failure = await open({ port }).catch((error) => error)
    expect(failure).toBeInstanceOf(PortTakenError)
    expect(failure.message).toBe(`Port ${port} on 127.0.0.1 is taken. Stop what uses it, or set PORT to another one.`)
    expect(await open({ port, setting: 'INTERNAL_PORT' }).catch(({ message }) => message)).toMatch(
      'or set INTERNAL_PORT to',
    )
  })

  it('takes the next free port where it may', async () => {
    const port = await takenPort()
    const server = await open({ port, orNext: true })
    expect(server.port).toBeGreaterThan(port)
    expect(await read(server.port)).toMatchObject({ status: 503 })
  })

  it('lets a request under way finish before it stops, and takes no new one', async () => {
    const server = await open()
    const arrived = new Promise<void>((resolve) => {
      server.serve(async (_, response) => {
        resolve()
        await sleep(100)
        response.end('finished')
      })
    })
    const agent = new Agent({ keepAlive: true })
    const answer = read(server.port, agent)
    await arrived
    const began = performance.now()
    const closing = server.close()
    await expect(read(server.port)).rejects.toThrow('ECONNREFUSED')
    expect(await answer).toEqual({ status: 200, text: 'finished' })
    await closing
    expect(performance.now() - began).toBeLessThan(2_000) // the connection is kept alive by its client, not by the server
    agent.destroy()
  })

  it('ends what hangs after three seconds', async () => {
    const server = await open()
    const arrived = new Promise<void>((resolve) => server.serve(() => resolve()))
    const answer = read(server.port).catch((error) => error.code)
    const idle = connect(server.port, '127.0.0.1').on('error', () => {})
    await arrived
    const began = performance.now()
    await server.close()
    expect(performance.now() - began).toBeGreaterThan(2_900)
    expect(performance.now() - began).toBeLessThan(4_500)
    expect(await answer).toBe('ECONNRESET')
    idle.destroy()
  })
})
