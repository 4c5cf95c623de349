/**
 * Loads the npm packages that a program will load, and none of its own modules: a process that has done so starts the program, as
 * it is by then, in a fraction of the time. Follows the program's imports from its main file, `OFFSHOOT_WARM_FOR`.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

const IMPORT = /^(?:import|export)\s(?!type\s)(?:[^'";]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/gm

const packages = new Set<string>()
const seen = new Set<string>()

function follow(module: string) {
  if (seen.has(module)) return
  seen.add(module)
  for (const [, named, late] of readFileSync(fileURLToPath(module), 'utf8').matchAll(IMPORT)) {
    if (late && !module.includes('/generated/')) continue // Loaded when it is needed, if ever; a Prisma client always is.
    try {
      const target = import.meta.resolve((named ?? late)!, module)
      if (target.includes('/node_modules/')) packages.add(target)
      else if (target.endsWith('.ts')) follow(target)
    } catch {} // What can't be found is reported by the program.
  }
}

follow(pathToFileURL(process.env.OFFSHOOT_WARM_FOR!).href)
await Promise.allSettled([...packages].map((target) => import(target)))
