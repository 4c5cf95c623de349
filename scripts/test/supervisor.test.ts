import { type ChildProcess, fork } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rename, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Child } from '../supervisor/child.ts'
import { claim, type Instance } from '../supervisor/instance.ts'
import { watchFiles } from '../supervisor/watch.ts'

const directory = () => mkdtemp(join(tmpdir(), 'supervisor-'))
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** A program that is told to run by the supervisor; `text` is its main file. */
async function program(text: string): Promise<string> {
  const main = join(await directory(), 'main.ts')
  await writeFile(main, text)
  return main
}

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('one product per data directory', () => {
  it('tells a second one where the first is reached', async () => {
    const dataDir = join(await directory(), 'data')
    const first = (await claim(dataDir)) as Instance
    expect(await claim(dataDir)).toEqual({ pid: process.pid })
    first.announce('http://localhost:4000')
    expect(await claim(dataDir)).toEqual({ pid: process.pid, url: 'http://localhost:4000' })
    first.release()
    const next = (await claim(dataDir)) as Instance
    expect(next.release).toBeTypeOf('function')
    next.release()
  })

  it('lets one of many through', async () => {
    const dataDir = await directory()
    const claims = await Promise.all(Array.from({ length: 20 }, () => claim(dataDir)))
    const winners = claims.filter((one) => 'release' in one)
    expect(winners).toHaveLength(1)
    winners[0]!.release()
  })

  it('is not mistaken about a note that a crash left, though its port and process id are used again', async () => {
    const dataDir = await directory()
    const other = createServer((socket) => socket.end(JSON.stringify({ pid: process.pid, token: 'another' })))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => other.close())
    await writeFile(
      join(dataDir, 'running.7.json'),
      JSON.stringify({ port: (other.address() as AddressInfo).port, token: 'dead' }),
    )
    const claims = await Promise.all(Array.from({ length: 10 }, () => claim(dataDir)))
    const winners = claims.filter((one) => 'release' in one)
    expect(winners).toHaveLength(1)
    winners[0]!.release()
  })

  it.each(['', '{', 'null', '{"port":1}'])('makes nothing of a damaged note (%s)', async (text) => {
    const dataDir = await directory()
    await writeFile(join(dataDir, 'running.7.json'), text)
    const instance = (await claim(dataDir)) as Instance
    instance.release()
  })
})

describe('a process of the product', () => {
  it('runs when it is told to, with the settings that are known by then', async () => {
    const main = await program(`process.send({ type: 'ready', url: process.env.DATABASE_URL })
      setInterval(() => {}, 1000)`)
    const child = new Child({ name: 'app', main, env: process.env })
    cleanups.push(() => child.kill())
    const ready = child.ready()
    expect(await Promise.race([ready, sleep(300, 'waiting')])).toBe('waiting')
    child.go({ DATABASE_URL: 'postgres://somewhere' })
    expect(await ready).toBe('postgres://somewhere')
    await child.stop(1_000)
    expect(await child.ended).toBe('was ended by SIGTERM')
  })

  it('is reported when it ends before it is ready', async () => {
    const child = new Child({ name: 'app', main: await program('process.exit(3)'), env: process.env })
    child.go({})
    await expect(child.ready()).rejects.toThrow('app ended with exit code 3')
  })

  it('is killed when it does not end in time', async () => {
    const main = await program(`process.on('SIGTERM', () => {})
      process.send({ type: 'ready', url: 'x' })
      setInterval(() => {}, 1000)`)
    const child = new Child({ name: 'app', main, env: process.env })
    const ready = child.ready()
    child.go({})
    await ready
    await child.stop(100)
    expect(await child.ended).toBe('was ended by SIGKILL')
  })

  it('ends by itself when the supervisor is killed before it was told to run', async () => {
    const main = await program('setInterval(() => {}, 1000)')
    const supervisor = await program(`
      import { Child } from '${join(import.meta.dirname, '../supervisor/child.ts')}'
      const child = new Child({ name: 'app', main: '${main}', env: process.env })
      process.send(child.pid)
      setInterval(() => {}, 1000)`)
    const parent: ChildProcess = fork(supervisor, { stdio: 'ignore', execArgv: [] })
    const pid = await new Promise<number>((resolve) => parent.once('message', resolve as (pid: unknown) => void))
    await sleep(300)
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 5_000)
  })
})

describe('watching sources', () => {
  it('sees files that are saved in place, by renaming, in new folders, and .env, each time anew', async () => {
    const root = await directory()
    const source = join(root, 'src')
    await mkdir(source)
    await writeFile(join(source, 'a.ts'), '1')
    const seen: string[][] = []
    cleanups.push(
      watchFiles(root, [source], (files) => seen.push([...files].map((file) => file.slice(root.length + 1)).sort())),
    )
    const next = async (change: () => Promise<unknown>) => {
      const before = seen.length
      await change()
      await vi.waitFor(() => expect(seen.length).toBeGreaterThan(before), 2_000)
      await sleep(100)
      return seen.slice(before).flat()
    }
    expect(await next(() => writeFile(join(source, 'a.ts'), '2'))).toContain('src/a.ts')
    const byRenaming = async () => {
      await writeFile(join(source, 'a.ts.tmp'), '3')
      await rename(join(source, 'a.ts.tmp'), join(source, 'a.ts'))
    }
    expect(await next(byRenaming)).toEqual(['src/a.ts'])
    expect(await next(byRenaming)).toEqual(['src/a.ts'])
    await mkdir(join(source, 'deep'))
    await sleep(100)
    expect(await next(() => writeFile(join(source, 'deep/b.sql'), '1'))).toContain('src/deep/b.sql')
    expect(await next(() => writeFile(join(root, '.env'), 'A=1'))).toContain('.env')
    expect(await readFile(join(source, 'a.ts'), 'utf8')).toBe('3')
  })
})
