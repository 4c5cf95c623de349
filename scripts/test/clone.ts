import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../database.ts'
import { sh } from './shell.ts'

/** Clones this tree into a directory and installs it, on a branch that is its own base. What Turborepo made here before, it takes from here. */
export async function installedClone(directory: string): Promise<string> {
  const clone = join(directory, 'clone')
  await sh(directory, `git clone -q "${root}" clone`)
  if (existsSync(join(root, '.turbo'))) cpSync(join(root, '.turbo'), join(clone, '.turbo'), { recursive: true })
  await sh(
    clone,
    `git checkout -qB main && git remote remove origin
    git config user.email test@offshoot.test && git config user.name Test && node scripts/setup.mjs`,
  )
  return clone
}
