/**
 * The login roles of a domain. Roles belong to the whole server, so their names contain the database's; passwords are
 * derived from the application's secret, so that nothing has to be stored or handed around.
 */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'

/** The roles of one domain in one database. */
export interface DomainRoles {
  /** Serves requests: sees one tenant at a time. */
  readonly serving: string
  /** Work that spans tenants: has a policy of its own, and still cannot bypass row security. */
  readonly system: string
  /** Owns the domain's SECURITY DEFINER functions; cannot log in. */
  readonly definer: string
}

/** PostgreSQL cuts a longer name off silently. */
const MAX_NAME_BYTES = 63

function roleName(database: string, suffix: string): string {
  const name = `${database}_${suffix}`
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name
  const hash = createHash('sha256').update(database).digest('hex').slice(0, 10)
  const room = MAX_NAME_BYTES - Buffer.byteLength(`_${hash}_${suffix}`)
  return `${Buffer.from(database)
    .subarray(0, room)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '')}_${hash}_${suffix}`
}

/** The names of a domain's roles in the database of that name. */
export function domainRoles(database: string, domain: string): DomainRoles {
  return {
    serving: roleName(database, domain),
    system: roleName(database, `${domain}_system`),
    definer: roleName(database, `${domain}_definer`),
  }
}

/** The name under which the transport of events is configured like a domain: `EVENTS_DATABASE_URL`. No domain may be called so. */
export const transport = 'events'

/** The role that carries events between domains in the database of that name. */
export const transportRole = (database: string) => roleName(database, transport)

/** The role that reads a domain's changes in the database of that name, while the domain moves. */
export const moverRole = (database: string, domain: string) => roleName(database, `${domain}_mover`)

/** The password of a login role: whoever knows `APP_SECRET` can derive it, and nobody else. */
export function rolePassword(appSecret: string, role: string): string {
  return createHmac('sha256', appSecret).update(`postgres-role:${role}`).digest('base64url')
}

/**
 * What PostgreSQL stores for that password (RFC 5803). Sent in place of the password, so that the server's log, which
 * may hold every DDL statement, never holds the password.
 */
export function scramVerifier(appSecret: string, role: string): string {
  const iterations = 4096
  const salt = createHmac('sha256', appSecret).update(`postgres-salt:${role}`).digest().subarray(0, 16)
  const salted = pbkdf2Sync(rolePassword(appSecret, role), salt, iterations, 32, 'sha256')
  const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${hmac(salted, 'Server Key').toString('base64')}`
}

/** The connection URLs of a domain's roles, on the server and database that `adminUrl` names. */
export function roleUrls(
  adminUrl: string,
  domain: string,
  appSecret: string,
  database: string = databaseOf(adminUrl),
): { serving: string; system: string } {
  const { serving, system } = domainRoles(database, domain)
  const as = (role: string) => {
    const url = new URL(adminUrl)
    url.username = encodeURIComponent(role)
    url.password = rolePassword(appSecret, role)
    return url.href
  }
  return { serving: as(serving), system: as(system) }
}

/** The database that a connection URL names; PostgreSQL's default is the user's name. */
export function databaseOf(url: string): string {
  const { pathname, username } = new URL(url)
  return decodeURIComponent(pathname.slice(1) || username) || 'postgres'
}
