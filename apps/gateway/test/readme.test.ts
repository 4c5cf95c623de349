import { readFileSync } from 'node:fs'
import { settled } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { publicSdl } from '../src/public-schema.ts'
import { type TestGateway, testGateway } from './gateway.ts'
import { blocks, openShell } from './readme.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway({ events: true })
})
afterAll(() => gateway.close())

describe('the README', () => {
  it('has a walk that leads where it says, up to what needs `npm run dev`', async () => {
    const shell = openShell(gateway.url)
    const alone = blocks.findIndex((commands) => commands.some((command) => command.includes('npm run -s events')))
    for (const block of blocks.slice(0, alone < 0 ? undefined : alone)) {
      await shell.follow(block)
      await settled(gateway)
    }
    shell.close()
  })
})

describe('the public schema', () => {
  it('is the one that is committed', () => {
    expect(readFileSync(new URL('../schema.graphql', import.meta.url), 'utf8')).toBe(publicSdl())
  })
})
