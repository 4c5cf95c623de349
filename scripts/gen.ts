/** `npm run gen domain|entity|event …`: writes what others would write by hand, in the style of what is there. See docs/guides/add-a-domain.md. */
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { Changes, undoUnfinished } from './changes.ts'
import { root } from './database.ts'
import { complete, removeCopies } from './generators/complete.ts'
import { addDomain } from './generators/domain.ts'
import { addEntity } from './generators/entity.ts'
import { addEvent } from './generators/event.ts'
import { pluralOf, singularOf } from './generators/names.ts'
import { Refusal } from './refusal.ts'
import { installPackages, onInterrupt } from './run.ts'

const USAGE = `Usage:
  npm run gen domain <name> [-- --entity <name> --plural <name>]       a domain with one entity
  npm run gen entity <domain> <name> [-- --plural <name>]              one more entity
  npm run gen event <domain> <Name> [-- --about <entity> --on <file>]  an event, told by the use case src/<file>.ts

  --yes       asks nothing: what is not given is as proposed
  --dry-run   shows what would change, and writes nothing`

const options = {
  entity: { type: 'string' },
  plural: { type: 'string' },
  about: { type: 'string' },
  on: { type: 'string' },
  yes: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
} as const

type Given = Partial<Record<'entity' | 'plural' | 'about' | 'on', string>>
/** Asks for what was not given; otherwise what is proposed is taken, and what cannot be proposed is refused. */
type Ask = (question: string, given: string | undefined, proposed?: string) => Promise<string>

/** Works out the changes; says what they are, and what comes next. */
type Kind = (changes: Changes, args: string[], given: Given, ask: Ask) => Promise<{ what: string; next: string }>

const kinds: Record<string, Kind> = {
  async domain(changes, [name], given, ask) {
    const domain = await ask('The domain, in one word', name)
    const entity = await ask('Its first entity', given.entity, singularOf(domain) ?? `${domain}-item`)
    const plural = await ask('Many of them', given.plural, pluralOf(entity))
    addDomain(changes, { domain, entity, plural }, new Date())
    return {
      what: `domain ${domain} with the entity ${entity}`,
      next: `npm run dev, and ask for { ${camel(plural)}(first: 3) { nodes { id name } } } at /graphql; then docs/guides/add-a-domain.md, from "Make it yours".`,
    }
  },

  async entity(changes, [home, name], given, ask) {
    const domain = await ask('The domain', home)
    const entity = await ask('The entity', name)
    const plural = await ask('Many of them', given.plural, pluralOf(entity))
    addEntity(changes, { domain, entity, plural }, new Date())
    return {
      what: `entity ${entity} in ${domain}`,
      next: `npm run db:migrate, unless npm run dev does it; then give it the fields that it needs: docs/guides/adding-to-a-domain.md.`,
    }
  },

  async event(changes, [home, name], { about, on }, ask) {
    const domain = await ask('The domain', home)
    const event = await ask('What happened, such as ShelfMoved', name)
    const { tested } = addEvent(changes, { domain, event, about, on })
    const told = on
      ? `src/${on}.ts tells it${tested ? '' : '; test that it does'}.`
      : `tell it where it happens, in a transaction: tx.emit(${event}, { … }).`
    return {
      what: `event ${event} of ${domain}`,
      next: `${told} Others handle it: docs/guides/add-a-domain.md, "Events".`,
    }
  },
}

const camel = (kebab: string) => kebab.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())

const most: Record<string, number> = { domain: 1, entity: 2, event: 2 }

async function main(argv: string[]): Promise<void> {
  const started = Date.now()
  const { values, positionals } = parse(argv)
  const [kind = '', ...args] = positionals
  // npm takes options before `--` for its own, and only tells that there were some.
  const isSet = (flag: 'yes' | 'dry-run') =>
    values[flag] || process.env[`npm_config_${flag.replace('-', '_')}`] === 'true'
  if (!Object.hasOwn(kinds, kind))
    throw new Refusal('UNKNOWN_KIND', `There is no ${JSON.stringify(kind.slice(0, 40))} to be generated.\n\n${USAGE}`)
  if (args.length > most[kind]!)
    throw new Refusal(
      'BAD_NAME',
      `${kind} takes ${most[kind]} name${most[kind] === 1 ? '' : 's'}, and these are ${args.length}: ${args.join(' ').slice(0, 80)}. A name has no spaces.`,
    )
  if (undoUnfinished(root)) console.log('Took back what an earlier run had begun and not ended.')

  const changes = new Changes(root)
  const { what, next } = await kinds[kind]!(changes, args, values, questions(Boolean(isSet('yes'))))
  await complete(changes)
  const seconds = () => `${((Date.now() - started) / 1000).toFixed(1)} s`
  const { files } = changes
  if (isSet('dry-run')) {
    console.log(
      `Would generate the ${what}: ${files.size} files (${seconds()}). Nothing was written.\n\n${changes.diff()}\nNext: the same without --dry-run.`,
    )
    return
  }
  await changes.apply(install)
  console.log(`Generated the ${what}: ${files.size} files (${seconds()}).`)
  for (const path of files.keys()) console.log(`  ${path}`)
  console.log(`Next: ${next}`)
}

function parse(argv: string[]) {
  try {
    return parseArgs({ args: argv, options, allowPositionals: true })
  } catch (error) {
    throw new Refusal('UNKNOWN_OPTION', `${(error as Error).message.split('. ')[0]}.\n\n${USAGE}`)
  }
}

function questions(yes: boolean): Ask {
  return async (question, given, proposed) => {
    if (given !== undefined) return given
    if (yes || !process.stdin.isTTY) {
      if (proposed === undefined) throw new Refusal('NAME_MISSING', `${question}? It was not given.\n\n${USAGE}`)
      return proposed
    }
    const terminal = createInterface({ input: process.stdin, output: process.stdout })
    const prompt = `${question}${proposed === undefined ? '' : ` (${proposed})`}: `
    const answer = await terminal.question(prompt).catch(() => undefined) // Ctrl-C, Ctrl-D
    terminal.close()
    if (answer === undefined) throw new Refusal('NAME_MISSING', 'Not answered, so nothing was generated.')
    return answer.trim() || proposed || ''
  }
}

/**
 * Links the packages and generates the database client. Everything that a domain depends on is installed, since the example depends on it: no network is needed, and nothing is in the lockfile that was not
 * verified before.
 */
const install = () =>
  installPackages('everything is as it was', { pnpm_config_offline: 'true', pnpm_config_trust_lockfile: 'true' })

onInterrupt(async () => {
  removeCopies()
  undoUnfinished(root)
})

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = 1
}
