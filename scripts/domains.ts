import { globSync } from 'node:fs'
import { basename, dirname } from 'node:path'

/** The domains that a tree has. */
export function domainsOf(root: string): string[] {
  return globSync('packages/domains/*/package.json', { cwd: root })
    .map((file) => basename(dirname(file)))
    .sort()
}
