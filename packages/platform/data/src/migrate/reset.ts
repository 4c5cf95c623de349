import type { MigrateOptions } from './migrate.ts'

/** What {@link reset} needs. */
export interface ResetOptions extends MigrateOptions {
  /** Resets also in production and on servers elsewhere. */
  readonly force?: boolean
}

/** Drops everything that `domains` have stored, then migrates anew; returns what was applied. */
export async function reset(_options: ResetOptions): Promise<string[]> {
  throw new Error('not there yet')
}
