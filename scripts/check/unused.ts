/** Files, exports and dependencies that nobody uses, as Knip finds them (knip.json). */
import { run } from '../run.ts'
import type { Problem } from './workspace.ts'

interface Found {
  name: string
  line?: number
}

interface Report {
  issues: ({ file: string } & Record<string, Found[] | string>)[]
}

const kinds: Readonly<Record<string, string>> = {
  files: 'nobody imports it',
  dependencies: 'is a dependency that nothing imports',
  devDependencies: 'is a dependency that nothing imports',
  unlisted: 'is imported, and not listed as a dependency',
  unresolved: 'cannot be resolved',
  exports: 'is exported, and used by nobody',
  types: 'is a type that is exported, and used by nobody',
  duplicates: 'is exported twice',
  catalog: 'has a version in the catalog, and is used by no package',
}

export async function checkUnused(cwd?: string): Promise<Problem[]> {
  const { code, output } = await run('knip', ['--reporter=json', '--no-progress', '--no-config-hints'], {
    quiet: true,
    cwd,
  })
  if (code > 1) throw new Error(`Knip could not be run:\n${output}`)
  return (JSON.parse(output.slice(output.indexOf('{'))) as Report).issues.flatMap(({ file, ...found }) =>
    Object.entries(kinds).flatMap(([kind, message]) =>
      ((found[kind] ?? []) as Found[]).map(({ name, line }) => ({
        file,
        line,
        message: kind === 'files' ? `${message}: delete it, or name it as an entry in knip.json` : `${name} ${message}`,
      })),
    ),
  )
}
