/** Names that people choose, and the forms in which code has them. */
import { builtinModules } from 'node:module'
import { Refusal } from '../refusal.ts'

/** A name in each form: of files, tables, variables, types, reasons, and as words of a sentence. */
export interface Forms {
  /** `storage-box` */
  kebab: string
  /** `storage_box` */
  snake: string
  /** `storageBox` */
  camel: string
  /** `StorageBox` */
  pascal: string
  /** `STORAGE_BOX` */
  upper: string
  /** `storage box` */
  words: string
  /** `Storage box` */
  sentence: string
}

export function formsOf(kebab: string): Forms {
  const parts = kebab.split('-')
  const pascal = parts.map(capitalized).join('')
  return {
    kebab,
    snake: parts.join('_'),
    camel: pascal[0]!.toLowerCase() + pascal.slice(1),
    pascal,
    upper: parts.join('_').toUpperCase(),
    words: parts.join(' '),
    sentence: capitalized(parts.join(' ')),
  }
}

const capitalized = (word: string) => word[0]!.toUpperCase() + word.slice(1)

const irregular: Record<string, string> = { person: 'people', child: 'children', man: 'men', woman: 'women' }

/** English, as far as rules go; `--plural` says the rest. */
export function pluralOf(name: string): string {
  const [, head = '', last = name] = /^(.*-)?([^-]+)$/.exec(name) ?? []
  if (Object.hasOwn(irregular, last)) return head + irregular[last]
  if (/[^aeiou]y$/.test(last)) return `${name.slice(0, -1)}ies`
  if (/(?:l|ea|oa)f$/.test(last)) return `${name.slice(0, -1)}ves`
  if (/(?:ni|wi|li)fe$/.test(last)) return `${name.slice(0, -2)}ves`
  return /(?:s|x|z|ch|sh)$/.test(last) ? `${name}es` : `${name}s`
}

/** What a word may be the plural of; undefined when it is none. */
export function singularOf(name: string): string | undefined {
  const people = Object.entries(irregular).find(([, plural]) => name.endsWith(plural))
  const guesses = [
    ...(people ? [name.slice(0, -people[1].length) + people[0]] : []),
    name.replace(/ves$/, 'f'),
    name.replace(/ves$/, 'fe'),
    name.replace(/ies$/, 'y'),
    name.replace(/es$/, ''),
    name.replace(/s$/, ''),
  ]
  return /(?:ss|us|is|ics|news)$/.test(name)
    ? undefined
    : guesses.find((guess) => guess !== name && pluralOf(guess) === name)
}

const longest = 30

/** A domain is a PostgreSQL schema, a package, and a part of settings' names: one word. */
export function assertDomainName(name: string): void {
  assertLength(name)
  if (!/^[a-z][a-z0-9]*$/.test(name)) {
    throw new Refusal('BAD_NAME', `${quoted(name)} cannot name a domain: one word of a-z and 0-9, such as warehouse.`)
  }
  if (builtinModules.includes(name)) throw inTheWay(name, 'Node.js')
  assertFree(name)
}

export function assertEntityName(name: string): void {
  assertLength(name)
  if (!/^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$/.test(name)) {
    throw new Refusal(
      'BAD_NAME',
      `${quoted(name)} cannot name an entity: words of a-z and 0-9 with hyphens between them, such as shelf or price-list.`,
    )
  }
  assertFree(name)
}

export function assertEventName(name: string): void {
  assertLength(name)
  if (!/^([A-Z][a-z0-9]*){2,}$/.test(name)) {
    throw new Refusal(
      'BAD_NAME',
      `${quoted(name)} cannot name an event: say of what, and what happened to it, such as ShelfMoved.`,
    )
  }
}

function assertLength(name: string): void {
  if (name.length > longest)
    throw new Refusal('NAME_TOO_LONG', `${quoted(name)} has ${name.length} letters; ${longest} will do.`)
}

const quoted = (name: string) => JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name)

function assertFree(name: string): void {
  const { camel, snake } = formsOf(name)
  const whose = Object.entries(reserved).find(([, words]) => words.has(camel) || words.has(snake))?.[0]
  if (whose) throw inTheWay(name, whose)
}

const inTheWay = (name: string, whose: string) =>
  new Refusal('RESERVED', `${name} is a word of ${whose} and would be in its way. Take another.`)

const words = (text: string) => new Set(text.split(/\s+/))

const reserved: Record<string, ReadonlySet<string>> = {
  TypeScript: words(
    `abstract any as asserts async await bigint boolean break case catch class const constructor continue debugger declare default delete do else enum export extends
    false finally for from function get if implements import in infer instanceof interface is keyof let module namespace never new null number object of override package
    private protected public readonly require return satisfies set static string super switch symbol this throw true try type typeof undefined unique unknown using var void
    while with yield arguments eval`,
  ),
  // Reserved, or reserved with exceptions, in PostgreSQL 18, appendix C.
  SQL: words(
    `all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for
    foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime localtimestamp natural not
    notnull null offset on only or order outer overlaps placing primary references returning right select session_user similar some symmetric system_user table tablesample
    then to trailing true union unique user using variadic verbose when where window with information_schema pg_catalog pg_toast`,
  ),
  'the tables that carry events': words('outbox outbox_head inbox inbox_head'),
  JavaScript: new Set(Object.getOwnPropertyNames(Object.prototype)),
}
