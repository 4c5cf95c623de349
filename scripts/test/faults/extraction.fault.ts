import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { root } from '../../database.ts'
import { domainsOf } from '../../domains.ts'
import { installedClone } from '../clone.ts'
import { sh } from '../shell.ts'

const names = domainsOf(root)
const domain = names.at(-1)!

const directory = mkdtempSync(join(tmpdir(), 'offshoot-extraction-'))
let clone: string
beforeAll(async () => {
  clone = await installedClone(directory)
}, 300_000)
beforeEach(
  () =>
    inClone(
      'git reset -q --hard && git clean -fdq apps infra/kubernetes/apps && find apps -mindepth 1 -maxdepth 1 ! -name gateway -exec rm -r {} +',
    ),
  60_000,
)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const inClone = (command: string) => sh(clone, command)

describe('a clone', () => {
  it('builds each service from the packages that it declares alone', async () => {
    await inClone(`npm run -s extract ${domain}`)
    await inClone(`node_modules/.bin/turbo prune @offshoot/${domain}-service --docker --out-dir=.pruned`)
    expect((await inClone('ls .pruned/full/apps')).trim()).toBe(domain)
    expect((await inClone('ls .pruned/full/packages/domains')).split('\n')).toContain(domain)
    // #region with insights, orders
    expect(await inClone('ls .pruned/full/packages/domains')).not.toContain('insights')
    // #endregion
    expect(await inClone('ls .pruned/json')).toContain('pnpm-lock.yaml')
    await inClone(`rm -rf .pruned && npm run -s fold ${domain}`)
  }, 120_000)

  it.each<[string, string, RegExp]>([
    [
      'a domain that there is not',
      'npm run -s extract nowhere',
      new RegExp(`UNKNOWN_DOMAIN: There is no domain nowhere: ${names.join(', ')}`),
    ],
    ['no domain', 'npm run -s extract', /UNKNOWN_DOMAIN: There is no domain without a name/],
    ['a path', `npm run -s extract ../${domain}`, /UNKNOWN_DOMAIN/],
    ['a tree with changes', `echo >> README.md; npm run -s extract ${domain}`, /DIRTY: .*README.md/],
    [
      'a domain that reaches into an app',
      `echo "import '@offshoot/gateway/domains'" >> packages/domains/${domain}/src/domain.ts; git commit -qam x; npm run -s extract ${domain}`,
      /BOUNDARY: .*\n.*domain.ts:\d+ /,
    ],
    [
      'to take back what is not split off',
      `npm run -s fold ${domain}`,
      new RegExp(`NOT_EXTRACTED: ${domain} runs in the gateway`),
    ],
  ])(
    'refuses %s, and changes nothing',
    async (_, command, why) => {
      const before = (await inClone('git rev-parse HEAD')).trim()
      await expect(inClone(command)).rejects.toThrow(why)
      expect(await inClone('ls apps')).toBe('gateway\n')
      await inClone(`git reset -q --hard ${before}`)
    },
    60_000,
  )

  it('takes back a committed extraction, and keeps what people added to it until they insist', async () => {
    const before = (await inClone('git rev-parse HEAD')).trim()
    await inClone(`npm run -s extract ${domain} && git add -A && git commit -qm extracted`)
    await expect(inClone(`npm run -s extract ${domain}`)).rejects.toThrow(/ALREADY_EXTRACTED/)
    await inClone(`echo "export {}" > apps/${domain}/src/mine.ts`)
    await expect(inClone(`npm run -s fold ${domain}`)).rejects.toThrow(/CHANGED: .*apps\/\w+\/src\/mine.ts.*--force/s)
    expect(await inClone('ls apps')).toBe(`gateway\n${domain}\n`)
    await inClone(`npm run -s fold ${domain} -- --force`)
    expect(await inClone(`git add -A && git diff --cached ${before}`)).toBe('')
    await inClone(`git reset -q --hard ${before}`)
  }, 300_000)
})
