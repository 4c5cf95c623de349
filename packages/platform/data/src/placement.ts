import pg from 'pg'
import { databaseUnavailable, explainFailure } from './failures.ts'
import { type PlacementRow, placementTable } from './migrate/placement.ts'
import { rolePassword } from './migrate/roles.ts'

export interface PlacementOptions {
  /** Of the role, where the domain is said to be. */
  url: string
  schema: string
  role: 'serving' | 'system'
  /** What the passwords of roles derive from. Without it nobody is followed anywhere. */
  secret: string | undefined
}

/** Where a domain is, for one of its roles; follows it when it moves. */
export interface Placement {
  /** The role's, where the domain is as far as is known. */
  readonly url: string
  /** Whether the domain is elsewhere than at `url`, where it refused. From then on this placement has the new URL. */
  hasLeft(url: string): Promise<boolean>
}

/** What a domain's roles meet where the domain no longer is: no permission, and once that is purged no table, schema or function. */
const refusals = new Set(['42501', '42P01', '3F000', '42883'])

export function isRefusal(error: unknown): boolean {
  const { code, severity } = (error ?? {}) as { code?: string; severity?: string }
  return severity !== undefined && refusals.has(code!)
}

/** A domain cannot have moved more often than this since somebody wrote down where it is. */
const longestWay = 8

/** Finds where a domain is, from where it is said to be. */
export async function findPlacement({ url, schema, role, secret }: PlacementOptions): Promise<Placement> {
  let present = secret === undefined ? url : await goFrom(url)
  let going: Promise<boolean> | undefined

  async function goFrom(start: string): Promise<string> {
    let place = start
    for (let n = 0; n < longestWay; n++) {
      const next = await nextAfter(place)
      if (!next) return place
      place = next
    }
    throw databaseUnavailable(new Error(`Databases name each other as the place of ${schema}.`))
  }

  async function nextAfter(place: string): Promise<string | undefined> {
    const row = await askFor(place, schema)
    if (row?.state === 'arriving')
      throw databaseUnavailable(new Error(`${schema} is being moved to ${nameOf(place)}, and is not there yet.`))
    if (row?.state !== 'moved' || !row.moved_to) return undefined
    const next = new URL(row.moved_to.url)
    next.username = encodeURIComponent(row.moved_to[role])
    next.password = rolePassword(secret!, row.moved_to[role])
    return next.href
  }

  async function follow(): Promise<boolean> {
    const before = present
    present = await goFrom(before)
    return present !== before
  }

  return {
    get url() {
      return present
    },
    async hasLeft(left) {
      if (secret === undefined) return false
      if (present !== left) return true // somebody found out already
      going ??= follow().finally(() => {
        going = undefined
      })
      return going
    },
  }
}

/** Undefined where the database knows nothing of placements. */
async function askFor(url: string, schema: string): Promise<Pick<PlacementRow, 'state' | 'moved_to'> | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000, statement_timeout: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query(`SELECT state, moved_to FROM ${placementTable(schema)}`)
    return rows[0]
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === '42P01' || code === '3F000' || code === '42501') return undefined
    throw explainFailure(error)
  } finally {
    await client.end().catch(() => {})
  }
}

function nameOf(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}
