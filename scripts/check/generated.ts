/** What is generated from the code and committed, so that a change of it is seen in review. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { envExample } from '@offshoot/config'
import { gatewaySettings } from '@offshoot/gateway/config'
import { databases, domains } from '@offshoot/gateway/domains'
import { publicSdl } from '@offshoot/gateway/schema'
import type { Domain } from '@offshoot/host'
import { readTopology } from '@offshoot/host/topology'
import { root } from '../database.ts'
import { eventCatalog, eventProblems } from '../event-catalog.ts'
import { modulesPage } from '../module-diagram.ts'
import { wireOf } from './wire.ts'
import type { Problem } from './workspace.ts'

const roles = ['owner', 'admin', 'member'] as const

/** `.env.example`, from the gateway's settings. */
export function environmentExample(write: boolean): Problem[] {
  return compare('.env.example', envExample(gatewaySettings(databases)), write)
}

/** The public schema, printed with its types sorted. */
export function publicSchema(write: boolean): Problem[] {
  return compare('apps/gateway/schema.graphql', publicSdl(), write)
}

/** `docs/events.md`, and whether events that are handled are emitted by somebody. */
export function eventsPage(write: boolean): Problem[] {
  return [
    ...eventProblems(domains).map((message) => ({ file: 'packages/domains', message })),
    ...compare('docs/events.md', eventCatalog(domains), write),
  ]
}

/** Each domain's `contract.json`. */
export function contractFiles(write: boolean): Problem[] {
  return domains.flatMap((domain) =>
    compare(`packages/domains/${domain.name}/contract.json`, `${JSON.stringify(wireOf(domain), null, 2)}\n`, write),
  )
}

/** `docs/modules.md`. */
export function modulesDiagram(write: boolean): Problem[] {
  return compare('docs/modules.md', modulesPage(domains, readTopology(join(root, 'topology.json'))), write)
}

/** In each domain's README, between the marks, the table of who may do what. */
export function permissionTables(of: readonly Domain[], write: boolean): Problem[] {
  return of.flatMap(({ name, contract, data }) => {
    const path = join(data.directory, '../README.md')
    const file = relative(root, path)
    const text = read(path)
    const [before, between, after] = text?.split(/(?<=<!-- permissions -->\n)|(?=<!-- \/permissions -->)/) ?? []
    if (before === undefined || between === undefined || after === undefined) {
      return [{ file, message: 'has no table between <!-- permissions --> and <!-- /permissions -->' }]
    }
    const table = permissionTable(contract.actions)
    if (sameCells(between, table)) return []
    if (write) writeFileSync(path, before + table + after)
    const line = before.split('\n').length
    return write
      ? []
      : [{ file, line, message: `says otherwise than the contract of ${name}; npm run check -- --write` }]
  })
}

function permissionTable(actions: Readonly<Record<string, readonly string[]>>): string {
  const rows = Object.entries(actions).map(([action, allowed]) => [
    `\`${action}\``,
    ...roles.map((role) => (allowed.includes(role) ? 'yes' : '')),
  ])
  const width = Math.max(...rows.map(([action]) => action!.length))
  const cells = [['action', ...roles], ['-'.repeat(width), ...roles.map((role) => '-'.repeat(role.length))], ...rows]
  return cells
    .map(
      ([action, ...rest]) =>
        `| ${[action!.padEnd(width), ...rest.map((cell, i) => cell.padEnd(roles[i]!.length))].join(' | ')} |\n`,
    )
    .join('')
}

/** However the columns are aligned. */
function sameCells(a: string, b: string): boolean {
  const normal = (table: string) =>
    table
      .replaceAll(/[ \t]+/g, '')
      .replaceAll(/-+/g, '-')
      .trim()
  return normal(a) === normal(b)
}

/** Whether a file is what the code says; with `write` it becomes so. */
export function compare(file: string, text: string, write: boolean): Problem[] {
  const path = join(root, file)
  const present = read(path)
  if (present === text) return []
  if (write) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return []
  }
  const lines = text.split('\n')
  const line = present?.split('\n').findIndex((content, index) => content !== lines[index])
  return [
    {
      file,
      line: (line ?? 0) + 1,
      message: 'is not what the code says; npm run check -- --write, and review the change',
    },
  ]
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
