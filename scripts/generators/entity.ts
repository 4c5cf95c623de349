import { timestampAfter } from '@offshoot/data/migrate'
import type { Node } from 'oxc-parser'
import type { Changes } from '../changes.ts'
import { Refusal } from '../refusal.ts'
import { addImport, append, constant, missing, parse, type Source, splice } from './edit.ts'
import { assertUsable, example, exampleFiles, isTally, type Naming, renamer } from './example.ts'
import { assertEntityName, formsOf, pluralOf, singularOf } from './names.ts'
import { entryOf, folderOf, withDependency, withLink } from './registration.ts'

/** One more entity in a domain that is there: the example's, spliced into the domain's files. */
export function addEntity(changes: Changes, naming: Naming, now: Date): void {
  entityNames(naming)
  assertDomain(changes, naming.domain)
  assertNewEntity(changes, naming)
  assertUsable(changes, naming)
  const rename = renamer(naming)
  const folder = folderOf(naming.domain)
  const files = new Map([...exampleFiles(changes)].map(([path, text]) => [path, rename(text)]))
  for (const [path, text] of files) {
    const target = `${folder}/${rename(path)}`
    if (!/^(src|test)\//.test(path) || !path.includes(example.entity) || isTally(path)) continue
    if (changes.read(target) !== undefined)
      throw new Refusal('EXISTS', `${target} is there already. Nothing is overwritten.`)
    changes.write(target, text)
  }
  const fromExample = (path: string) => parse(path, files.get(path))
  addToContract(changes, fromExample('src/contract.ts'), naming)
  addToDomain(changes, fromExample('src/domain.ts'), naming)
  addToGraphql(changes, fromExample('src/graphql.ts'), naming)
  addTable(changes, files, naming, now)
  addDependencies(changes, files.get('package.json')!, naming.domain)
}

/** Checks an entity's name and its plural. */
export function entityNames({ entity, plural }: Naming): void {
  assertEntityName(entity)
  assertEntityName(plural)
  if (plural === entity)
    throw new Refusal(
      'SAME_PLURAL',
      `${entity} is its own plural, so that one could not be told from many. Name the plural: --plural ${entity}-list, for instance.`,
    )
  const singular = singularOf(entity)
  if (singular && plural === pluralOf(entity))
    throw new Refusal(
      'LOOKS_PLURAL',
      `${entity} looks like many. Name one: ${singular}. If one is called ${entity}, name the plural: --plural …`,
    )
}

export function assertDomain(changes: Changes, domain: string): void {
  const domains = changes
    .list('packages/domains')
    .flatMap((path) => /^packages\/domains\/([^/]+)\/package\.json$/.exec(path)?.[1] ?? [])
  if (!domains.includes(domain))
    throw new Refusal(
      'UNKNOWN_DOMAIN',
      `There is no domain ${JSON.stringify(domain.slice(0, 40))}: ${domains.join(', ')}.`,
    )
}

function assertNewEntity(changes: Changes, { domain, entity }: Naming): void {
  const { pascal, snake } = formsOf(entity)
  const schema = changes.read(`${folderOf(domain)}/prisma/schema.prisma`) ?? ''
  if (new RegExp(`^model ${pascal} |@@map\\("${snake}"\\)`, 'm').test(schema))
    throw new Refusal('EXISTS', `${domain} has a table for ${entity} already. Nothing is overwritten.`)
}

const textOf = ({ text }: Source, { start, end }: { start: number; end: number }) => text.slice(start, end)

/** Each node with what stands before it, from `start` on: blank lines and its comment. */
function withComments<N extends Node>(source: Source, nodes: readonly N[], start: number): { node: N; text: string }[] {
  let from = start
  return nodes.map((node) => {
    const text = source.text.slice(from, node.end).replace(/^,/, '')
    from = node.end
    return { node, text }
  })
}

const joined = (pieces: readonly { text: string }[]) =>
  pieces
    .map(({ text }) => text)
    .join('')
    .trim()

/** The object that a call like `defineContract('…', { … })` is made with. */
function definition(source: Source, name: string, made: string): Extract<Node, { type: 'ObjectExpression' }> {
  const call = constant(source, name)
  const object =
    call.type === 'CallExpression' && call.callee.type === 'Identifier' && call.callee.name === made
      ? call.arguments.at(-1)
      : undefined
  if (object?.type !== 'ObjectExpression') throw missing(source.path, `\`const ${name} = ${made}(… { … })\``)
  return object
}

function property(object: Extract<Node, { type: 'ObjectExpression' }>, name: string): Node | undefined {
  for (const one of object.properties)
    if (one.type === 'Property' && one.key.type === 'Identifier' && one.key.name === name) return one.value
  return undefined
}

function propertyList(source: Source, object: Extract<Node, { type: 'ObjectExpression' }>, name: string) {
  let value = property(object, name)
  if (value?.type === 'ArrowFunctionExpression') value = value.body
  if (value?.type === 'ParenthesizedExpression') value = value.expression
  if (value?.type !== 'ObjectExpression') throw missing(source.path, `\`${name}\` with an object that can be added to`)
  return value
}

/** Everything that the example imports and that is used in `added`. */
function addImports(text: string, path: string, from: Source, added: string): string {
  const used = new Set(added.match(/\w+/g))
  let result = text
  for (const statement of from.program.body) {
    if (statement.type !== 'ImportDeclaration') continue
    for (const specifier of statement.specifiers) {
      if (!used.has(specifier.local.name)) continue
      result = addImport(parse(path, result), textOf(from, specifier), statement.source.value)
    }
  }
  return result
}

function addToContract(changes: Changes, from: Source, { domain }: Naming): void {
  const path = `${folderOf(domain)}/src/contract.ts`
  const target = parse(path, changes.read(path))
  const theirs = definition(target, domain, 'defineContract')
  const ours = definition(from, domain, 'defineContract')
  const statements = withComments(from, from.program.body, 0)
  const contract = statements.findIndex(({ text }) => text.includes('= defineContract('))
  const wanted = ({ node, text }: (typeof statements)[number]) => {
    const [, name] = /^const (everyone|managers) =/m.exec(text) ?? []
    const present = name && new RegExp(`^const ${name} =`, 'm').test(target.text)
    return node.type !== 'ImportDeclaration' && !isTally(text) && !present
  }
  const before = statements.slice(0, contract).filter(wanted)
  const after = statements.slice(contract + 1).filter(wanted)
  const elements = (name: string) => {
    const list = propertyList(from, ours, name)
    return withComments(from, list.properties, list.start + 1)
      .flatMap(({ text }) => (isTally(text) ? [] : text.trim()))
      .join(',\n')
  }
  const position = startOf(target, domain)

  // From the end of the file to its beginning, so that positions stay right.
  let text = `${target.text.trimEnd()}\n\n${joined(after)}\n`
  const places = ['actions', 'calls']
    .map((name) => ({ name, list: propertyList(target, theirs, name) }))
    .sort((a, b) => b.list.start - a.list.start)
  for (const { name, list } of places) text = append(text, list, elements(name))
  text = splice(text, position, position, `${joined(before)}\n\n`)
  changes.write(path, addImports(text, path, from, `${joined(before)} ${elements('calls')} ${joined(after)}`))
}

/** Where the contract begins, its comment included. */
function startOf(source: Source, domain: string): number {
  const index = source.program.body.findIndex((node) => textOf(source, node).startsWith(`export const ${domain} =`))
  if (index < 1) throw missing(source.path, `\`export const ${domain} = defineContract(\` of its own`)
  const previous = source.program.body[index - 1]!.end
  return previous + /^\s*/.exec(source.text.slice(previous))![0].length
}

function addToDomain(changes: Changes, from: Source, { domain }: Naming): void {
  const path = `${folderOf(domain)}/src/domain.ts`
  const source = parse(path, changes.read(path))
  const name = `${domain}Domain`
  if (!new RegExp(`^export type ${formsOf(domain).pascal}Context = `, 'm').test(source.text))
    throw missing(path, `\`export type ${formsOf(domain).pascal}Context = …\``)
  const ours = definition(from, name, 'defineDomain')
  const calls = propertyList(from, ours, 'calls')
    .properties.map((one) => textOf(from, one))
    .filter((text) => !isTally(text))
  const emitted = property(ours, 'emits') as Extract<Node, { type: 'ArrayExpression' }>
  const events = emitted.elements.map((element) => textOf(from, element!))
  let text = append(
    source.text,
    propertyList(source, definition(source, name, 'defineDomain'), 'calls'),
    calls.join(',\n'),
  )
  for (const event of events) text = withEmitted(parse(path, text), name, event)
  changes.write(path, addImports(text, path, from, [...calls, ...events].join(' ')))
}

/** The domain emits one more event. */
export function withEmitted(source: Source, name: string, event: string): string {
  const object = definition(source, name, 'defineDomain')
  const emits = property(object, 'emits')
  if (emits?.type === 'ArrayExpression') return append(source.text, emits, event)
  if (emits) throw missing(source.path, '`emits: […]`')
  const calls =
    object.properties.find(
      (one) => one.type === 'Property' && one.key.type === 'Identifier' && one.key.name === 'graphql',
    ) ?? object.properties.at(-1)!
  return splice(source.text, calls.end, calls.end, `,\nemits: [${event}]`)
}

type Arrow = Extract<Node, { type: 'ArrowFunctionExpression' }>

function addToGraphql(changes: Changes, from: Source, { domain }: Naming): void {
  const path = `${folderOf(domain)}/src/graphql.ts`
  const source = parse(path, changes.read(path))
  const [ours, theirs] = [schemaPart(from), schemaPart(source)]
  const statements = withComments(from, bodyOf(from, ours), ours.body.start + 1)
  const added = joined(statements.filter(({ text }) => !isTally(text)))
  const tools = toolsOf(from, ours).filter((tool) => !toolsOf(source, theirs).includes(tool))
  const end = theirs.body.end - 1
  let text = splice(source.text, end, end, `\n${added}\n`)
  const [pattern] = theirs.params
  if (tools.length > 0) text = splice(text, pattern!.end - 1, pattern!.end - 1, `, ${tools.join(', ')}`)
  changes.write(path, addImports(text, path, from, added))
}

function schemaPart(source: Source): Arrow {
  const part = constant(source, 'graphql')
  if (part.type !== 'ArrowFunctionExpression')
    throw missing(source.path, '`const graphql: SchemaPart = ({ … }) => { … }`')
  return part
}

function bodyOf(source: Source, { body }: Arrow) {
  if (body.type !== 'BlockStatement') throw missing(source.path, '`const graphql: SchemaPart = ({ … }) => { … }`')
  return body.body
}

function toolsOf(source: Source, { params: [tools] }: Arrow): string[] {
  if (tools?.type !== 'ObjectPattern') throw missing(source.path, '`const graphql: SchemaPart = ({ … }) => { … }`')
  return tools.properties.map((one) => textOf(source, one))
}

function addTable(changes: Changes, files: ReadonlyMap<string, string>, { domain, entity }: Naming, now: Date): void {
  const prisma = `${folderOf(domain)}/prisma`
  const path = `${prisma}/schema.prisma`
  const schema = changes.read(path)
  if (schema === undefined) throw missing(path, 'content')
  const blocks = files
    .get('prisma/schema.prisma')!
    .trimEnd()
    .split(/\n\n(?=\/\/\/|\w)/)
  const models = blocks.filter((block) => /^model /m.test(block) && !isTally(block))
  changes.write(path, `${schema.trimEnd()}\n\n${models.join('\n\n')}\n`)
  const [sql = ''] = [...files].filter(([file]) => file.endsWith('/migration.sql')).map(([, text]) => text)
  const statements = sql
    .trimEnd()
    .split(/\n(?=SELECT )|\n\n(?=-- )/)
    .filter((statement) => !isTally(statement))
  const latest = changes
    .list(`${prisma}/migrations`)
    .filter((file) => file.endsWith('.sql'))
    .at(-1)
    ?.split('/')
    .at(-2)
  const name = `${timestampAfter(latest, now)}_add_${formsOf(entity).snake}`
  changes.write(
    `${prisma}/migrations/${name}/migration.sql`,
    `${statements.map((statement) => statement.trim()).join('\n\n')}\n`,
  )
}

/** What the example depends on and the domain does not yet. */
function addDependencies(changes: Changes, manifest: string, domain: string): void {
  const path = `${folderOf(domain)}/package.json`
  const present = JSON.parse(changes.read(path)!)
  const lockfile = changes.read('pnpm-lock.yaml') ?? ''
  for (const [name, version] of Object.entries<string>(JSON.parse(manifest).dependencies)) {
    if (name in present.dependencies) continue
    changes.write(path, withDependency(changes.read(path)!, name, version))
    changes.write(
      'pnpm-lock.yaml',
      withLink(changes.read('pnpm-lock.yaml')!, folderOf(domain), entryOf(lockfile, example.folder, name)),
    )
  }
}
