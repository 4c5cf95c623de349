/** The modules of `infra/terraform`, judged by Terraform itself. They need no provider, so that nothing is asked of a cloud or a registry. */
import { execFile, spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Problem } from '../check/workspace.ts'
import { root } from '../database.ts'

/** Why modules cannot be judged on this machine; undefined where they can. */
export function whyNotValidated(): string | undefined {
  const { status } = spawnSync('terraform', ['version'], { env: { ...process.env, CHECKPOINT_DISABLE: '1' } })
  return status === 0 ? undefined : 'terraform is not installed (https://developer.hashicorp.com/terraform/install)'
}

export const terraformModules = () =>
  globSync('infra/terraform/*/main.tf', { cwd: root }).map((file) => dirname(file).replaceAll('\\', '/'))

/** Formatted, valid, and its own tests pass. `directory` is below the root, or absolute. */
export async function terraformProblems(directory: string): Promise<Problem[]> {
  const data = mkdtempSync(join(tmpdir(), 'offshoot-terraform-'))
  const configuration = join(data, 'terraformrc') // nobody's own
  writeFileSync(configuration, '')
  const env = {
    ...process.env,
    TF_DATA_DIR: data,
    TF_CLI_CONFIG_FILE: configuration,
    TF_IN_AUTOMATION: '1',
    CHECKPOINT_DISABLE: '1',
  }
  try {
    for (const command of ['fmt -check -recursive', 'init -backend=false -input=false', 'validate', 'test']) {
      const [name, ...options] = command.split(' ') as [string, ...string[]]
      const colour = name === 'fmt' ? [] : ['-no-color']
      const said = await promisify(execFile)(
        'terraform',
        [`-chdir=${resolve(root, directory)}`, name, ...options, ...colour],
        { env },
      ).then(
        () => undefined,
        ({ stdout, stderr }: { stdout: string; stderr: string }) => `${stdout}\n${stderr}`.trim(),
      )
      if (said !== undefined)
        return [
          {
            file: directory,
            message:
              name === 'fmt'
                ? `is not formatted: terraform fmt -recursive infra/terraform (${said.replaceAll('\n', ', ')})`
                : `terraform ${name}: ${said}`,
          },
        ]
    }
    return []
  } finally {
    rmSync(data, { recursive: true })
  }
}
