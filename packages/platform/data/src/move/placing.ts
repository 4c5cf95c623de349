/** Opens and closes a domain in a database: whether its roles are served there. */
import type pg from 'pg'
import { quote } from '../migrate/connection.ts'
import { type NewPlace, placementTable } from '../migrate/placement.ts'
import type { DomainRoles } from '../migrate/roles.ts'

type Rights = Record<string, Record<string, string[]>>

/**
 * Takes from the domain's roles what they may do with its tables, and keeps a note of it. In the caller's transaction; as soon as that commits whoever comes is refused,
 * and reads in the same row where to go.
 */
export async function close(
  client: pg.Client,
  domain: string,
  roles: DomainRoles,
  state: { state: 'arriving' } | { state: 'moved'; to: NewPlace; epoch: number },
): Promise<void> {
  const table = placementTable(domain)
  const all = Object.values(roles).map(quote).join(', ')
  const { rows } = await client.query<{ name: string; role: string; rights: string[] }>(
    `SELECT format('%I.%I', $1::text, relname) AS name, rolname AS role, array_agg(privilege_type) AS rights
     FROM pg_class CROSS JOIN aclexplode(relacl) a JOIN pg_roles r ON r.oid = a.grantee
     WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind IN ('r', 'p', 'v') AND rolname = ANY ($2) GROUP BY 1, 2`,
    [domain, Object.values(roles)],
  )
  const { rows: kept } = await client.query<{ rights: Rights | null }>(`SELECT rights FROM ${table}`)
  const rights: Rights = { ...kept[0]!.rights }
  for (const { name, role, rights: held } of rows) {
    rights[name] = { ...rights[name], [role]: [...new Set([...(rights[name]?.[role] ?? []), ...held])].sort() }
  }
  const tables = [...new Set(rows.map(({ name }) => name))]
  await client.query(
    [
      ...(tables.length > 0 ? [`REVOKE ALL ON ${tables.join(', ')} FROM ${all}`] : []),
      `REVOKE INSERT ON ${table} FROM ${quote(roles.serving)}, ${quote(roles.system)}`,
    ].join('; '),
  )
  const [to, epoch] = state.state === 'moved' ? [JSON.stringify(state.to), state.epoch] : [null, null]
  await client.query(`UPDATE ${table} SET state = $1, moved_to = $2, epoch = coalesce($3, epoch), rights = $4`, [
    state.state,
    to,
    epoch,
    JSON.stringify(rights),
  ])
}

/** Gives it back. In the caller's transaction. */
export async function open(client: pg.Client, domain: string, roles: DomainRoles, epoch: number): Promise<void> {
  const table = placementTable(domain)
  const { rows } = await client.query<{ rights: Rights | null }>(`SELECT rights FROM ${table}`)
  const grants = Object.entries(rows[0]!.rights ?? {}).flatMap(([name, byRole]) =>
    Object.entries(byRole).map(([role, held]) => `GRANT ${held.join(', ')} ON ${name} TO ${quote(role)}`),
  )
  grants.push(`GRANT INSERT ON ${table} TO ${quote(roles.serving)}, ${quote(roles.system)}`)
  await client.query(grants.join('; '))
  await client.query(`UPDATE ${table} SET state = 'here', moved_to = NULL, rights = NULL, epoch = $1`, [epoch])
}
