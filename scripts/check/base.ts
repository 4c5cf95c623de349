/** The commit that a change is compared with. */
import { git, gitAnswer } from '../git.ts'

/** Why there is nothing to compare with. */
export class NoBase extends Error {}

/** Where this branch left the base branch: `BASE_REF`, or `main`. Throws `NoBase`. */
export function baseOf(root: string): string {
  const refs = process.env.BASE_REF ? [process.env.BASE_REF] : ['origin/main', 'main']
  for (const ref of refs) {
    const base = gitAnswer(root, 'merge-base', 'HEAD', ref)
    if (base !== undefined) return base
  }
  throw new NoBase(
    gitAnswer(root, 'rev-parse', 'HEAD') === undefined
      ? 'there is no git history here'
      : `no commit is shared with ${refs.join(' or ')}; fetch it (with its history), or name another by BASE_REF`,
  )
}

/** For commands that can do nothing without a base: they say why, and end. */
export function orEnd<Answer>(ask: () => Answer): Answer {
  try {
    return ask()
  } catch (error) {
    if (!(error instanceof NoBase)) throw error
    console.error(`Nothing to compare with: ${error.message}.`)
    process.exit(1)
  }
}

/** A file as it was in a commit; undefined where it was not there. */
export function fileAt(root: string, commit: string, file: string): string | undefined {
  try {
    return git(root, ['show', `${commit}:${file}`])
  } catch {
    return undefined
  }
}
