import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { explainFileError, ServerError } from './errors.ts'

/** Makes the data directory, and what is missing on the way to it. */
export async function makeDataDirectory(dataDir: string): Promise<void> {
  try {
    await make(dataDir)
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') throw explainFileError(error, dataDir)
    throw new ServerError(
      'NOT_PERMITTED',
      `The data directory ${dataDir} can't be made: there can be no ${path}; set DATA_DIR to another path`,
      { cause: error },
    )
  }
}

/** Node's own recursive mkdir never returns where a file system has no place for new directories (/proc). */
async function make(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path) throw error
    await make(parent)
    await mkdir(path).catch(async (again) => {
      if (again.code !== 'EEXIST') throw again // Another process was faster.
    })
  }
}
