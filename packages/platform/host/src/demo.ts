import { createHash } from 'node:crypto'

/** The demo product's tenants and users, for development and tests. */
export const demo = {
  password: 'offshoot-demo-1',
  tenants: [
    { slug: 'acme', name: 'Acme', plan: 'pro' },
    { slug: 'globex', name: 'Globex', plan: 'free' },
  ],
  users: [
    { email: 'owner@acme.test', name: 'Olga Owner', operator: false, memberships: { acme: 'owner' } },
    { email: 'member@acme.test', name: 'Max Member', operator: false, memberships: { acme: 'member' } },
    { email: 'owner@globex.test', name: 'Gloria Owner', operator: false, memberships: { globex: 'owner' } },
    {
      email: 'both@offshoot.test',
      name: 'Bo Both',
      operator: false,
      memberships: { acme: 'member', globex: 'member' },
    },
    { email: 'operator@offshoot.test', name: 'Opal Operator', operator: true, memberships: {} },
  ],
} as const

const beginning = Date.UTC(2026, 0, 1)

/**
 * The id of a piece of demo data: always the same for the same kind and key, and a valid UUIDv7 (RFC 9562), so that demo data sorts
 * by `at` like any other. Distinct tenants put their name into the key.
 */
export function demoId(kind: string, key: string, at: Date | number = beginning): string {
  const hash = createHash('sha256').update(`${kind}:${key}`).digest('hex')
  const time = Number(at).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hash.slice(0, 3)}-8${hash.slice(3, 6)}-${hash.slice(6, 18)}`
}
