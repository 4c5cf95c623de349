import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { State } from './feature.ts'

/** The last known state of the flags on disk, for a process that starts while the server is away. */
export interface Backup {
  read(): State | undefined
  /** Says whether it could be written. */
  write(state: State): boolean
}

/** Keeps the state in `file`. It belongs to one server and one token, so that nobody starts with the flags of another environment. */
export function openBackup(file: string, server: { url: string; token: string }): Backup {
  const of = createHash('sha256').update(`${server.url}\n${server.token}`).digest('base64url').slice(0, 16)
  return {
    read() {
      try {
        const kept = JSON.parse(readFileSync(file, 'utf8'))
        return kept.of === of ? State.parse(kept.state) : undefined
      } catch {
        return undefined // Not there, cut short, or of another version: then there is none.
      }
    },
    write(state) {
      const draft = `${file}.${process.pid}`
      try {
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(draft, JSON.stringify({ of, state }))
        renameSync(draft, file)
        return true
      } catch {
        return false
      }
    },
  }
}
