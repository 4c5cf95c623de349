import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** As somebody at a terminal would; rejects with what was printed when it fails. */
export async function sh(cwd: string, command: string): Promise<string> {
  const { NODE_ENV: _, FAULTS: __, ...env } = process.env
  try {
    const { stdout } = await promisify(execFile)('sh', ['-c', `{ ${command}\n} 2>&1`], {
      cwd,
      env,
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  } catch (error) {
    throw new Error(`${command} failed:\n${(error as { stdout: string }).stdout}`)
  }
}
