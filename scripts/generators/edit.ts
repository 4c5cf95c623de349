/** Edits of source files at places that their syntax tree tells. What cannot be found is refused by its name, and nothing is guessed. */
import { type Node, type Program, parseSync } from 'oxc-parser'
import { Refusal } from '../refusal.ts'

export interface Source {
  path: string
  text: string
  program: Program
}

export function parse(path: string, text: string | undefined): Source {
  if (text === undefined) throw new Refusal('PLACE_NOT_FOUND', `${path} is not there.`)
  const { program, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Refusal('PLACE_NOT_FOUND', `${path} cannot be parsed: ${errors[0]!.message}`)
  return { path, text, program }
}

/** Says what was looked for, and where. */
export function missing(path: string, what: string): Refusal {
  return new Refusal(
    'PLACE_NOT_FOUND',
    `${path} has no ${what}, where the change belongs. Bring it back, or make the change by hand.`,
  )
}

/** `text` with something else from `start` to `end`. */
export const splice = (text: string, start: number, end: number, insert: string) =>
  text.slice(0, start) + insert + text.slice(end)

/** The value of `const <name> = …` at the top of a file, exported or not. */
export function constant({ path, program }: Source, name: string): Node {
  for (const statement of program.body) {
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type !== 'VariableDeclaration') continue
    for (const { id, init } of declaration.declarations)
      if (id.type === 'Identifier' && id.name === name && init) return init
  }
  throw missing(path, `\`const ${name} = …\``)
}

/** Adds a line to the end of a list or an object that stands in braces, whatever there is in it. */
export function append(text: string, list: Node, element: string): string {
  const before = text.slice(list.start + 1, list.end - 1).trimEnd()
  const comma = before.trim() === '' || before.endsWith(',') ? '' : ','
  return splice(text, list.start + 1, list.end - 1, `${before}${comma}\n${element},\n`)
}

/** Takes an element out of a list, with its comma. */
export function takeOut(text: string, list: Node & { elements: readonly (Node | null)[] }, name: string): string {
  const { elements } = list
  const index = elements.findIndex((element) => element?.type === 'Identifier' && element.name === name)
  if (index < 0) return text
  const next = elements[index + 1]
  if (next) return splice(text, elements[index]!.start, next.start, '')
  const start = elements[index - 1]?.end ?? elements[index]!.start
  return splice(text, start, elements[index]!.end, '')
}

/** Imports a name from a module, beside what is imported from there already. The formatter puts imports in order. */
export function addImport({ path, text, program }: Source, name: string, from: string): string {
  for (const statement of program.body) {
    if (statement.type !== 'ImportDeclaration' || statement.source.value !== from || statement.importKind === 'type')
      continue
    const bare = (one: string) => one.replace(/^type /, '')
    const named = statement.specifiers.filter(({ type }) => type === 'ImportSpecifier')
    const present = named.find((specifier) => specifier.local.name === bare(name))
    if (present && (name.startsWith('type ') || !text.slice(present.start, present.end).startsWith('type ')))
      return text
    if (present) return splice(text, present.start, present.end, name)
    const last = named.at(-1)
    if (last) return splice(text, last.end, last.end, `, ${name}`)
  }
  const [first] = program.body
  if (!first) throw missing(path, 'statement')
  return splice(text, first.start, first.start, `import { ${name} } from '${from}'\n`)
}

/** Takes out what is imported from a module. */
export function dropImport({ text, program }: Source, from: string): string {
  const statement = program.body.find((one) => one.type === 'ImportDeclaration' && one.source.value === from)
  return statement ? splice(text, statement.start, statement.end + 1, '') : text
}
