import type { Node } from 'oxc-parser'
import { Visitor } from 'oxc-parser'
import type { Changes } from '../changes.ts'
import { Refusal } from '../refusal.ts'
import { addImport, missing, parse, splice } from './edit.ts'
import { assertDomain, withEmitted } from './entity.ts'
import { exampleFiles, renamer } from './example.ts'
import { assertEventName, type Forms, formsOf } from './names.ts'
import { folderOf } from './registration.ts'

export interface EventNaming {
  domain: string
  /** `ShelfMoved` */
  event: string
  /** The entity that it is about: `shelf`. By default the one whose name it begins with, or the domain's only one. */
  about?: string
  /** The use case that tells it, by its file: `update-shelf`. Otherwise it is declared, and told by nobody yet. */
  on?: string
}

/** Declares an event in a domain's contract, lists it, and tells it where a use case tells something already. Says whether there is a test of that. */
export function addEvent(changes: Changes, { domain, event, about, on }: EventNaming): { tested: boolean } {
  assertDomain(changes, domain)
  assertEventName(event)
  const path = `${folderOf(domain)}/src/contract.ts`
  const contract = parse(path, changes.read(path))
  if (new RegExp(`\\b${event}\\b`).test(contract.text))
    throw new Refusal('EXISTS', `${path} has something called ${event} already. Nothing is overwritten.`)
  const entity = formsOf(kebab(entityOf(contract.text, domain, event, about)))
  const shared = new RegExp(`^const about${entity.pascal} = `, 'm').test(contract.text)
  const attributes = shared
    ? `...about${entity.pascal},`
    : `version: 1,\n  aggregate: '${entity.kebab}',\n  key: ({ ${entity.camel}Id }) => ${entity.camel}Id,`
  const declaration = `/** ${sentence(event)}. */
export const ${event} = defineEvent('${domain}.${event}', {
  ${attributes}
  data: z.object({ ${entity.camel}Id: ${entity.pascal}Id }),
})
`
  if (!new RegExp(`\\b${entity.pascal}Id\\b`).test(contract.text))
    throw missing(path, `\`const ${entity.pascal}Id = id('${entity.pascal}Id')\``)
  let text = `${contract.text.trimEnd()}\n\n${declaration}`
  for (const [name, from] of [
    ['defineEvent', `${scope(contract.text)}/events`],
    ['z', 'zod'],
  ] as const)
    text = addImport(parse(path, text), name, from)
  changes.write(path, text)

  const wiring = `${folderOf(domain)}/src/domain.ts`
  const emitted = withEmitted(parse(wiring, changes.read(wiring)), `${domain}Domain`, event)
  changes.write(wiring, addImport(parse(wiring, emitted), event, './contract.ts'))
  if (on === undefined) return { tested: false }
  tell(changes, domain, event, entity.camel, on)
  return { tested: addTest(changes, domain, event, entity, on) }
}

/** `ShelfMoved` → `shelf-moved` */
const kebab = (pascal: string) => pascal.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '-').toLowerCase()
const sentence = (event: string) => formsOf(kebab(event)).sentence

/** The scope of the packages, as the contract imports them. */
const scope = (text: string) => /from '(@[^/']+)\/rpc'/.exec(text)![1]

function entityOf(contract: string, domain: string, event: string, about: string | undefined): string {
  const entities = [...contract.matchAll(/^export const \w+ = defineEntity\('(\w+)'/gm)].map(([, name]) => name!)
  const known = entities.map(kebab).join(', ') || 'it has none'
  if (about !== undefined) {
    const named = entities.find((name) => kebab(name) === about)
    if (!named)
      throw new Refusal('UNKNOWN_ENTITY', `${domain} has no entity ${JSON.stringify(about.slice(0, 40))}: ${known}.`)
    return named
  }
  const begun = entities.filter((name) => event.startsWith(name)).sort((a, b) => b.length - a.length)[0]
  if (begun) return begun
  if (entities.length === 1) return entities[0]!
  throw new Refusal('ABOUT_WHAT', `Which entity of ${domain} is ${event} about (${known})? Say so: --about …`)
}

/** The example's test of its `StorageBoxArchived`, where the use case is one that was generated. */
function addTest(changes: Changes, domain: string, event: string, entity: Forms, on: string): boolean {
  const [, verb] = new RegExp(`^(create|update|archive)-${entity.kebab}$`).exec(on) ?? []
  const contract = changes.read(`${folderOf(domain)}/src/contract.ts`)!
  const path = `${folderOf(domain)}/test/${kebab(event)}.test.ts`
  if (!verb || !contract.includes(`create${entity.pascal}: command(`) || changes.read(path) !== undefined) return false
  const test = exampleFiles(changes).get('test/storage-box-archived.test.ts')!
  const wanted =
    verb === 'create'
      ? test.replace(/^.*archiveStorageBox.*\n/m, '')
      : test.replace('archiveStorageBox', `${verb}StorageBox`)
  const rename = renamer({ domain, entity: entity.kebab, plural: `${entity.kebab}-list` })
  changes.write(path, rename(wanted.replaceAll('StorageBoxArchived', event)))
  return true
}

/** Emits the event beside what the use case emits already, about the same thing, so that it commits with the same change. */
function tell(changes: Changes, domain: string, event: string, entity: string, useCase: string): void {
  if (!/^[a-z0-9-]+$/.test(useCase))
    throw new Refusal(
      'BAD_NAME',
      `${JSON.stringify(useCase.slice(0, 40))} is no use case: name its file, such as update-shelf.`,
    )
  const path = `${folderOf(domain)}/src/${useCase}.ts`
  const source = parse(path, changes.read(path))
  let found: { end: number; value: Node } | undefined
  new Visitor({
    CallExpression({ callee, arguments: args, end }) {
      const emits =
        callee.type === 'MemberExpression' && callee.property.type === 'Identifier' && callee.property.name === 'emit'
      const [, data] = args
      if (!emits || data?.type !== 'ObjectExpression') return
      for (const one of data.properties)
        if (one.type === 'Property' && one.key.type === 'Identifier' && one.key.name === `${entity}Id`)
          found = { end, value: one.value }
    },
  }).visit(source.program)
  if (!found) throw missing(path, `\`tx.emit(…, { ${entity}Id: … })\``)
  const id = source.text.slice(found.value.start, found.value.end)
  const data = id === `${entity}Id` ? id : `${entity}Id: ${id}`
  const text = splice(source.text, found.end, found.end, `\ntx.emit(${event}, { ${data} })`)
  changes.write(path, addImport(parse(path, text), event, './contract.ts'))
}
