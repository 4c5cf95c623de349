/** The walk through the product in the README, to be walked by tests: its commands as they stand there, by a shell. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
const walk = readme.slice(readme.indexOf('\n## A walk through'), readme.indexOf('\n## Commands'))

/** The blocks of commands, each a list of them. */
export const blocks = [...walk.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) =>
  block!.split(/(?<!\\)\n/).filter((command) => command !== ''),
)

/** A shell whose variables last from one block to the next, as a reader's do. */
export function openShell(url: string) {
  const bash = spawn('bash', { stdio: ['pipe', 'pipe', 'inherit'] })
  bash.stdout.setEncoding('utf8')
  const end = '\x1e'

  async function run(command: string): Promise<string> {
    bash.stdin.write(`${command.replace('http://localhost:4000', url)}\nprintf '\\036'\n`)
    let output = ''
    while (!output.endsWith(end)) output += (await once(bash.stdout, 'data'))[0]
    return output.slice(0, -1)
  }

  return {
    run,
    /** Follows the commands. What a comment behind one promises in code must be in the answer; without a comment no answer tells of an error. */
    async follow(commands: readonly string[]): Promise<void> {
      for (const command of commands) {
        const answer = await run(command)
        const [, comment] = / # (.*)$/.exec(command) ?? []
        if (comment === undefined) expect(answer, command).not.toContain('"errors"')
        for (const promised of comment?.match(/\{.*\}|"\w+":\w+|[A-Z_]{2,}/g) ?? [])
          expect(answer, command).toContain(promised)
      }
    },
    close() {
      bash.stdin.end()
    },
  }
}
