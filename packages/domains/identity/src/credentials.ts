/**
 * The two kinds of credential. Both carry their own proof of being ours, so that the database is asked about no guesses:
 * a session token is signed (by Better Auth, as in its cookie), and an API key names its tenant and is 256 random bits.
 */
import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { type TenantId, uuidBytes, uuidText } from '@offshoot/rpc'

/** What `identity.resolve_actor` looks a credential up by. */
export type CredentialLookup = { session: string } | { tenant: string; hash: string }

/** The key that session tokens are signed with, derived from the installation's secret. */
export function sessionSecret(secret: string): string {
  return Buffer.from(hkdfSync('sha256', secret, '', 'offshoot identity sessions', 32)).toString('base64url')
}

/** What to look `credential` up by, or null when it cannot be one of ours. `secret` is the result of {@link sessionSecret}. */
export function readCredential(credential: string, secret: string): CredentialLookup | null {
  return credential.startsWith(keyMark) ? readApiKey(credential) : readSessionToken(credential, secret)
}

// As Better Auth writes it: `<token>.<base64 of HMAC-SHA256>`, percent-encoded in a cookie.
function readSessionToken(credential: string, secret: string): CredentialLookup | null {
  const [token, signature, rest] = credential.replace(/%(?:2B|2F|3D)/g, decodeURIComponent).split('.')
  if (!token || !signature || rest !== undefined || !/^[\w-]+$/.test(token)) return null
  const expected = createHmac('sha256', secret).update(token).digest()
  const given = Buffer.from(signature, 'base64')
  return given.length === expected.length && timingSafeEqual(given, expected) ? { session: token } : null
}

const keyMark = 'ofs_'
const tagLength = 6
const tenantLength = 16
const secretLength = 32
const keyPattern = new RegExp(`^${keyMark}[A-Za-z0-9_-]{${((tagLength + tenantLength + secretLength) / 3) * 4}}$`)

/**
 * Makes an API key: a mark to find leaked keys by, a random tag to recognise it by (shown again as the prefix), its tenant, so that it is
 * looked up within that tenant, and the secret.
 */
export function makeApiKey(tenant: TenantId): { key: string; prefix: string; hash: Uint8Array<ArrayBuffer> } {
  const bytes = Buffer.concat([randomBytes(tagLength), uuidBytes(tenant), randomBytes(secretLength)])
  const key = keyMark + bytes.toString('base64url')
  return { key, prefix: key.slice(0, keyMark.length + (tagLength / 3) * 4), hash: hashOf(key) }
}

function readApiKey(key: string): CredentialLookup | null {
  if (!keyPattern.test(key)) return null
  const bytes = Buffer.from(key.slice(keyMark.length), 'base64url')
  return {
    tenant: uuidText(bytes.subarray(tagLength, tagLength + tenantLength)),
    hash: Buffer.from(hashOf(key)).toString('hex'),
  }
}

function hashOf(key: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(key).digest())
}
