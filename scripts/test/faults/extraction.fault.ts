import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { root } from '../../database.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-extraction-'))
const clone = join(directory, 'clone')
beforeAll(async () => {
  await sh(directory, `git clone -q "${root}" clone`)
  await sh(clone, 'git config user.email test@offshoot.test && git config user.name Test && node scripts/setup.mjs')
}, 300_000)
beforeEach(
  () =>
    offshoot(
      'git reset -q --hard && git clean -fdq apps && find apps -mindepth 1 -maxdepth 1 ! -name gateway -exec rm -r {} +',
    ),
  60_000,
)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** As somebody at a terminal would; rejects with what was printed when it fails. */
async function sh(cwd: string, command: string): Promise<string> {
  const { NODE_ENV: _, FAULTS: __, ...env } = process.env
  try {
    const { stdout } = await promisify(execFile)('sh', ['-c', `{ ${command}\n} 2>&1`], {
      cwd,
      env,
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  } catch (error) {
    throw new Error(`${command} failed:\n${(error as { stdout: string }).stdout}`)
  }
}

const offshoot = (command: string) => sh(clone, command)

describe('a clone', () => {
  it('has domains split off and taken back, green at each step, and is as it was in the end', async () => {
    expect(await offshoot('npm run -s extract orders')).toContain('orders is a service')
    expect(await offshoot('npm test -- gateway orders')).toMatch(/, 0 failed/)
    expect(await offshoot('npm run -s extract billing')).toContain('billing is a service')
    expect(await offshoot('npm test -- gateway orders billing')).toMatch(/, 0 failed/)
    expect(await offshoot('npm run -s check')).toMatch(/All \d+ checks hold/)
    await offshoot('npm run -s fold billing')
    await offshoot('npm run -s fold orders')
    expect(await offshoot('git status --porcelain')).toBe('')
    expect(await offshoot('git diff')).toBe('')
  }, 600_000)

  it('builds each service from the packages that it declares alone', async () => {
    await offshoot('npm run -s extract orders')
    await offshoot('node_modules/.bin/turbo prune @offshoot/orders-service --docker --out-dir=.pruned')
    expect((await offshoot('ls .pruned/full/apps')).trim()).toBe('orders')
    expect(await offshoot('ls .pruned/full/packages/domains')).not.toContain('insights')
    expect(await offshoot('ls .pruned/json')).toContain('pnpm-lock.yaml')
    await offshoot('rm -rf .pruned && npm run -s fold orders')
  }, 120_000)

  it.each<[string, string, RegExp]>([
    [
      'a domain that there is not',
      'npm run -s extract warehouse',
      /UNKNOWN_DOMAIN: There is no domain warehouse: billing, catalog/,
    ],
    ['no domain', 'npm run -s extract', /UNKNOWN_DOMAIN: There is no domain without a name/],
    ['a path', 'npm run -s extract ../orders', /UNKNOWN_DOMAIN/],
    ['a tree with changes', 'echo >> README.md; npm run -s extract orders', /DIRTY: .*README.md/],
    [
      'a domain that reaches into another',
      `echo "import '@offshoot/catalog'" >> packages/domains/orders/src/place-order.ts; git commit -qam x; npm run -s extract orders`,
      /BOUNDARY: .*\n.*place-order.ts:\d+ .*contract/,
    ],
    ['to take back what is not split off', 'npm run -s fold orders', /NOT_EXTRACTED: orders runs in the gateway/],
  ])(
    'refuses %s, and changes nothing',
    async (_, command, why) => {
      const before = (await offshoot('git rev-parse HEAD')).trim()
      await expect(offshoot(command)).rejects.toThrow(why)
      expect(await offshoot('ls apps')).toBe('gateway\n')
      await offshoot(`git reset -q --hard ${before}`)
    },
    60_000,
  )

  it('takes back a committed extraction, and keeps what people added to it until they insist', async () => {
    const before = (await offshoot('git rev-parse HEAD')).trim()
    await offshoot('npm run -s extract orders && git add -A && git commit -qm extracted')
    await expect(offshoot('npm run -s extract orders')).rejects.toThrow(/ALREADY_EXTRACTED/)
    await offshoot('echo "export {}" > apps/orders/src/mine.ts')
    await expect(offshoot('npm run -s fold orders')).rejects.toThrow(/CHANGED: .*apps\/orders\/src\/mine.ts.*--force/s)
    expect(await offshoot('ls apps')).toBe('gateway\norders\n')
    await offshoot('npm run -s fold orders -- --force')
    expect(await offshoot(`git add -A && git diff --cached ${before}`)).toBe('')
    await offshoot(`git reset -q --hard ${before}`)
  }, 120_000)
})
