import type { Client } from 'pg'
import { quote } from './connection.ts'

/**
 * Where a domain's data are. There is one such table for each domain in each database that ever had it, with one row. It is the gate as well: every transaction takes
 * a weak lock on it first (ROW EXCLUSIVE, kept by each backend for itself: no contention, nothing written), so that whoever moves the domain, and locks it in
 * EXCLUSIVE mode, waits for those under way and holds the next ones back. Once the domain has moved, its roles lose INSERT on the gate, and with it the right to take
 * that lock, and all their rights on its tables: whoever still comes here is refused, and reads in `moved_to` where to go.
 *
 * In schema `app`, because it outlives the domain's own schema.
 */
export const placementTable = (domain: string) => `app.${quote(`placement_${domain}`)}`

/** The first statement of each transaction. It takes no snapshot, so that what follows sees the state behind the gate at every isolation level. */
export const passGate = (domain: string) => `LOCK TABLE ${placementTable(domain)} IN ROW EXCLUSIVE MODE`

export type PlacementState =
  /** The domain is here. */
  | 'here'
  /** It is being copied here; nobody is served. */
  | 'arriving'
  /** It has moved to `moved_to`. */
  | 'moved'

/** Where a domain is now: nothing in it is secret. */
export interface NewPlace {
  /** The database's URL without user and password. */
  readonly url: string
  readonly serving: string
  readonly system: string
}

/** Creates what is missing; what stands in it stays. On a connection that holds the migration lock. */
export async function installPlacement(
  client: Client,
  domain: string,
  { serving, system }: { serving: string; system: string },
): Promise<void> {
  const table = placementTable(domain)
  const logins = `${quote(serving)}, ${quote(system)}`
  const { rows } = await client.query('SELECT to_regclass($1) IS NOT NULL AS there', [table])
  if (!rows[0].there)
    await client.query(`
      CREATE TABLE ${table} (
        here boolean PRIMARY KEY DEFAULT true CHECK (here), -- one row
        epoch bigint NOT NULL DEFAULT 1, -- one more with each move
        state text NOT NULL DEFAULT 'here' CHECK (state IN ('here', 'arriving', 'moved')),
        moved_to jsonb,
        rights jsonb -- what was taken from the domain's roles, to be given back
      );
      INSERT INTO ${table} DEFAULT VALUES;
      ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY; -- INSERT stands for the lock alone: no policy lets anybody insert
      CREATE POLICY seen ON ${table} FOR SELECT USING (true);
      REVOKE ALL ON ${table} FROM PUBLIC`)
  const { state } = await placementOf(client, domain)
  await client.query(`GRANT SELECT${state === 'here' ? ', INSERT' : ''} ON ${table} TO ${logins}`)
}

export interface PlacementRow {
  epoch: number
  state: PlacementState
  moved_to: NewPlace | null
}

/** What the database says; a domain that it does not know would be here. */
export async function placementOf(client: Client, domain: string): Promise<PlacementRow> {
  const table = placementTable(domain)
  const { rows: found } = await client.query('SELECT to_regclass($1) IS NOT NULL AS there', [table])
  if (!found[0].there) return { epoch: 0, state: 'here', moved_to: null }
  const { rows } = await client.query<PlacementRow>(`SELECT epoch::int, state, moved_to FROM ${table}`)
  return rows[0]!
}
