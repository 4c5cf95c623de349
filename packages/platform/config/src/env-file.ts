import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { ConfigError, type Environment } from './load.ts'

/** The environment of this process, over what the file `.env` of `directory` says, where there is one. */
export function readEnvironment(directory: string, env: Environment = process.env): Environment {
  const path = join(directory, '.env')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return env
    throw new ConfigError([`${path}: cannot be read (${(error as Error).message})`])
  }
  return { ...parseEnv(text), ...env }
}
