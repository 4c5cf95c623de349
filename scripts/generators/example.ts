/**
 * The domain that others are made from: `packages/templates/depot`, with its one entity, storage boxes. It is a domain like any other, migrated, checked and tested with the
 * rest, and has no holes: what is generated is its text with other names. They have two words, since so each form of them can be told from the others.
 */
import { parseSync, Visitor } from 'oxc-parser'
import type { Changes } from '../changes.ts'
import { Refusal } from '../refusal.ts'
import { type Forms, formsOf } from './names.ts'

/** What a domain, or an entity of one, will be called. */
export interface Naming {
  domain: string
  entity: string
  plural: string
}

export const example: Naming & { folder: string } = {
  folder: 'packages/templates/depot',
  domain: 'depot',
  entity: 'storage-box',
  plural: 'storage-boxes',
}

/** The files of the example by their paths in it. */
export function exampleFiles(changes: Changes): Map<string, string> {
  const paths = changes.list(example.folder)
  if (paths.length === 0)
    throw new Refusal(
      'NO_EXAMPLE',
      `${example.folder} is not there: what is generated is made from it. Bring it back, git has it.`,
    )
  return new Map(paths.map((path) => [path.slice(example.folder.length + 1), changes.read(path)!]))
}

const forms = ({ plural, entity }: Naming): Forms[] => [formsOf(plural), formsOf(entity)]

/** Replaces names in a text or a path, the example's where nothing else is said. */
export function renamer(to: Naming, from: Naming = example): (text: string) => string {
  const pairs = forms(from).flatMap((present, index) => {
    const wanted = forms(to)[index]!
    return Object.entries(present).map(([form, text]): [string, string] => [text, wanted[form as keyof Forms]])
  })
  const [old, domain] = [formsOf(from.domain), formsOf(to.domain)]
  const names = new Map([...pairs, [old.camel, domain.camel], [old.pascal, domain.pascal]])
  const pattern = new RegExp([...names.keys()].sort((a, b) => b.length - a.length).join('|'), 'g')
  const article = new RegExp(`\\b([Aa])n? (?=${formsOf(from.entity).words})`, 'g')
  const vowel = /^(?:[aeio]|u(?!ni|s))/.test(to.entity)
  return (text) => text.replace(article, `$1${vowel ? 'n' : ''} `).replace(pattern, (name) => names.get(name)!)
}

/** What counts storage boxes shows what a handler is. A domain has it, and not each of its entities. */
export const isTally = (text: string) => /tally/i.test(text)

/** Refuses names with which two things of the generated code, or of the product, would be called the same. */
export function assertUsable(changes: Changes, naming: Naming): void {
  const rename = renamer(naming)
  const own = new Map<string, string>()
  const fixed = new Set<string>()
  for (const [path, text] of exampleFiles(changes)) {
    if (!path.endsWith('.ts')) continue
    for (const name of variables(path, text)) {
      if (rename(name) === name && !isExamples(name)) fixed.add(name)
      else own.set(name, rename(name))
    }
  }
  const [twice] = [...own.values()].filter((name, index, all) => fixed.has(name) || all.indexOf(name) !== index)
  if (twice)
    throw new Refusal('RESERVED', `With these names two things in one file would be called ${twice}. Take others.`)
  assertNotInSchema(changes, naming)
  assertActionsFree(changes, naming)
}

const isExamples = (name: string) => /depot|storageBox/i.test(name)

/** Everything that a file calls by a name of its own; names of properties are no such names. */
function variables(path: string, text: string): Set<string> {
  const properties = new Set<number>()
  const found = new Map<number, string>()
  new Visitor({
    MemberExpression: ({ computed, property }) => void (!computed && properties.add(property.start)),
    Property: ({ key, shorthand, computed }) => void (!shorthand && !computed && properties.add(key.start)),
    Identifier: ({ start, name }) => void found.set(start, name),
  }).visit(parseSync(path, text).program)
  return new Set([...found].filter(([start]) => !properties.has(start)).map(([, name]) => name))
}

/** Types and root fields of the public schema are the whole product's. */
function assertNotInSchema(changes: Changes, { entity, plural }: Naming): void {
  const schema = changes.read('apps/gateway/schema.graphql') ?? ''
  const [{ pascal, camel }, many] = [formsOf(entity), formsOf(plural)]
  const types = ['', 'Tally', 'Connection', 'Edge'].map((end) => pascal + end)
  const inputs = ['Create', 'Update'].map((start) => `${start}${pascal}Input`)
  const fields = [camel, many.camel, `${camel}Tally`, `create${pascal}`, `update${pascal}`, `archive${pascal}`]
  const type = [...types, ...inputs].find((name) =>
    new RegExp(`^(type|input|enum|scalar|interface|union) ${name}\\b`, 'm').test(schema),
  )
  if (type) throw new Refusal('EXISTS', `The public schema has a type ${type} already. Call the entity something else.`)
  const roots = [...schema.matchAll(/^type (?:Query|Mutation) \{\n([\s\S]*?)^\}/gm)].map(([, body]) => body!).join('')
  const field = fields.find((name) => new RegExp(`^ {2}${name}[(:]`, 'm').test(roots))
  if (field)
    throw new Refusal('EXISTS', `The public schema has a field ${field} already. Call the entity something else.`)
}

function assertActionsFree(changes: Changes, { entity }: Naming): void {
  for (const path of changes
    .list('packages/domains')
    .filter((file) => /^[^/]+\/[^/]+\/[^/]+\/src\/contract\.ts$/.test(file)))
    if (new RegExp(`'${entity}:(read|write)'`).test(changes.read(path)!))
      throw new Refusal('EXISTS', `${path} has actions of ${entity} already. Call the entity something else.`)
}
