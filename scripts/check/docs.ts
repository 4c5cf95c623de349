/** Whether what pages say can be followed: their links lead somewhere, their commands exist, with the options that they are given. That the commands do what a page says is shown by docs.fault.ts. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { importsOf } from './imports.ts'
import type { Problem } from './workspace.ts'

/** The pages that people write, below the root. */
export const pagesOf = (root: string): string[] =>
  globSync(['*.md', 'docs/**/*.md', 'infra/**/*.md', '{apps,packages/*}/*/README.md'], {
    cwd: root,
    exclude: (path) => /(^|[\\/])node_modules$/.test(path),
  })
    .map((file) => file.replaceAll('\\', '/'))
    .sort()

export function checkDocs(root: string): Problem[] {
  const read = (file: string) => readFileSync(join(root, file), 'utf8')
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }

  const options = new Map<string, Set<string>>()
  /** The options that the program behind a command knows: those that its files name. */
  function optionsOf(command: string): Set<string> {
    const known = options.get(command) ?? new Set(named(root, /node (\S+)/.exec(scripts[command]!)?.[1]))
    options.set(command, known)
    return known
  }

  return pagesOf(root).flatMap((file) => {
    const text = read(file)
    const problem = (index: number, message: string): Problem => ({
      file,
      line: text.slice(0, index).split('\n').length,
      message,
    })
    const prose = text.replaceAll(/```.*?```/gs, (block) => block.replaceAll(/[^\n]/g, ' '))
    const links = [...prose.matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)].flatMap(({ 1: link = '', index }) => {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? file : posix.join(dirname(file), path)
      if (!existsSync(join(root, target))) return [problem(index, `leads to ${target}, which is not there`)]
      if (!anchor || !target.endsWith('.md') || anchorsOf(read(target)).includes(anchor)) return []
      return [problem(index, `leads to the heading #${anchor} of ${target}, which has none of that name`)]
    })
    const commands = [...text.matchAll(/\bnpm (?:run )?(?:-s )?(?!run\b)([a-z][\w:-]*)((?: [^\s#`|&;>)]+)*)/g)].flatMap(
      ({ 0: said, 1: name = '', 2: rest = '', index }) => {
        if (!Object.hasOwn(scripts, name))
          return said.startsWith('npm run') ? [problem(index, `npm run ${name}: package.json has no such command`)] : []
        return [...rest.matchAll(/ --([a-z][\w-]*)/g)]
          .filter(([, option]) => !optionsOf(name).has(option!))
          .map(([, option]) => problem(index, `npm run ${name} has no option --${option}`))
      },
    )
    return [...links, ...commands]
  })
}

const anchorsOf = (text: string): string[] => [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!))

/** As GitHub makes it of a heading. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

/** `--dry-run`, or `'dry-run': { type: …`, in a program and the files that it loads by their path. */
function named(root: string, program?: string, seen = new Set<string>()): string[] {
  if (!program || seen.has(program)) return []
  seen.add(program)
  const text = readFileSync(join(root, program), 'utf8')
  const own = [...text.matchAll(/--([a-z][\w-]*)|'?\b([a-z][\w-]*)'?: \{ type: '/g)].map(
    ([, word, key]) => word ?? key!,
  )
  const loaded = importsOf(program, text)
    .filter(({ specifier }) => specifier.startsWith('.'))
    .flatMap(({ specifier }) => named(root, posix.join(posix.dirname(program), specifier), seen))
  return [...own, ...loaded]
}
