import { type FSWatcher, readdirSync, watch } from 'node:fs'
import { join } from 'node:path'

/** Long enough for an editor that writes several files, or one in several steps. */
const SETTLE_MS = 40

const RELEVANT = /\.(ts|sql|prisma|json|graphql|html|css)$|^\.env$/

/**
 * Calls `changed` with the files that were saved below `directories`, and directly in `root` (for `.env`). Watches directories rather
 * than files, so that editors that save by renaming are seen too. Generated code and tests change nothing that runs.
 */
export function watchFiles(
  root: string,
  directories: readonly string[],
  changed: (files: Set<string>) => void,
): () => void {
  const watchers = new Map<string, FSWatcher>()
  let files = new Set<string>()
  let timer: NodeJS.Timeout | undefined

  function saw(file: string) {
    files.add(file)
    clearTimeout(timer)
    timer = setTimeout(() => {
      const seen = files
      files = new Set()
      changed(seen)
    }, SETTLE_MS)
  }

  function add(directory: string, recursive: boolean) {
    if (watchers.has(directory)) return
    try {
      const watcher = watch(directory, (_, name) => {
        if (!name) return
        const path = join(directory, name)
        if (RELEVANT.test(name)) saw(path)
        else if (recursive) descend(path)
      })
      watcher.on('error', () => forget(directory))
      watchers.set(directory, watcher)
      if (recursive) for (const name of readdirSync(directory)) descend(join(directory, name))
    } catch {
      forget(directory) // No directory, or no longer.
    }
  }

  function descend(path: string) {
    if (/(^|[\\/])(generated|node_modules|\.[^\\/]*|[^\\/]*\.\w+)$/.test(path)) return
    add(path, true)
  }

  function forget(directory: string) {
    watchers.get(directory)?.close()
    watchers.delete(directory)
  }

  add(root, false)
  for (const directory of directories) add(directory, true)
  return () => {
    clearTimeout(timer)
    for (const watcher of watchers.values()) watcher.close()
  }
}
