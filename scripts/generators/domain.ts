import { timestampAfter } from '@offshoot/data/migrate'
import type { Changes } from '../changes.ts'
import { readPackages } from '../check/workspace.ts'
import { Refusal } from '../refusal.ts'
import { entityNames } from './entity.ts'
import { assertUsable, example, exampleFiles, type Naming, renamer } from './example.ts'
import { assertDomainName, formsOf } from './names.ts'
import { folderOf, importerOf, register } from './registration.ts'

/** A new domain with one entity: the example under other names, and the product told of it. `now` is the time of its migration. */
export function addDomain(changes: Changes, naming: Naming, now: Date): void {
  const { domain } = naming
  assertDomainName(domain)
  entityNames(naming)
  assertNewDomain(changes, domain)
  assertUsable(changes, naming)
  const rename = renamer(naming)
  for (const [path, text] of exampleFiles(changes)) {
    const renamed = rename(path).replace(/(?<=prisma\/migrations\/)\d+/, timestampAfter(undefined, now))
    changes.write(`${folderOf(domain)}/${renamed}`, rename(text))
  }
  const importer = rename(importerOf(changes.read('pnpm-lock.yaml') ?? '', example.folder))
  register(changes, { name: domain, about: formsOf(naming.plural).words }, importer)
}

function assertNewDomain(changes: Changes, domain: string): void {
  const { root } = changes
  // What git ignores may be left of a domain that is on another branch.
  const folder = [folderOf(domain), `apps/${domain}`].find((path) => changes.list(path).length > 0)
  if (folder) throw new Refusal('EXISTS', `${folder} is there already. Nothing is overwritten.`)
  const taken = readPackages(root).find(({ name }) => name.split('/')[1] === domain)
  if (taken) throw new Refusal('RESERVED', `${domain} is the name of the package in ${taken.directory}. Take another.`)
  const settings = changes.read('.env.example') ?? ''
  const [setting] = new RegExp(`^#?${domain.toUpperCase()}_\\w+`, 'm').exec(settings) ?? []
  if (setting || ['app', 'public', 'test'].includes(domain)) {
    throw new Refusal(
      'RESERVED',
      `${domain} would have settings that begin like ${setting?.replace('#', '') ?? 'others'}, or a schema that is taken. Take another name.`,
    )
  }
}
