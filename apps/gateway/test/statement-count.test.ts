import { tenantId } from '@offshoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from './gateway.ts'
import { statementsOf } from './statements.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway()
})
afterAll(() => gateway.close())

describe('the statements of a query', () => {
  it('are as many for many members, invitations, keys and audit entries as for few', async () => {
    const query = `{ organization {
      slug
      members { role user { name } }
      invitations { email invitedBy { name } }
      apiKeys { name createdBy { name } }
      auditLog(first: 100) { nodes { action actorId } }
    } }`
    const size = ({ organization: { members, invitations, apiKeys, auditLog } }: any) =>
      members.length + invitations.length + apiKeys.length + auditLog.nodes.length
    await grow(1)
    const few = await statementsOf(gateway, query, {}, size)
    await grow(20)
    const many = await statementsOf(gateway, query, {}, size)
    expect(many.size).toBeGreaterThan(few.size + 60)
    for (const { tables: asked } of [few, many]) {
      // People are looked up once for each tick in which a list arrives: for members, invitations and keys at most.
      const people = asked.filter((table) => table === 'identity.user').length
      expect(people).toBeGreaterThanOrEqual(1)
      expect(people).toBeLessThanOrEqual(3)
      expect(asked.filter((table) => table !== 'identity.user')).toEqual([
        'identity.api_key',
        'identity.audit_log',
        'identity.invitation',
        ...Array(1 + people).fill('identity.member'),
        'identity.organization',
        'identity.tenant_slug',
      ])
    }
  })
})

let round = 0
/** Adds so many members, invitations, keys and audit entries. */
async function grow(by: number): Promise<void> {
  round++
  for (const sql of [
    `INSERT INTO identity."user" (id, name, email, updated_at) SELECT gen_random_uuid(), 'U', 'grown-' || $2 || '-' || i || '@acme.test', now() FROM generate_series(1, $3::int) i, (SELECT $1) x`,
    `INSERT INTO identity.member (tenant_id, id, user_id, role) SELECT $1, gen_random_uuid(), id, 'member' FROM identity."user" WHERE email LIKE 'grown-' || $2 || '-%' AND $3::int > 0`,
    `INSERT INTO identity.invitation (tenant_id, id, email, role, invited_by, expires_at) SELECT $1, gen_random_uuid(), 'x' || i || '-' || $2, 'member', (SELECT user_id FROM identity.member WHERE tenant_id = $1 LIMIT 1), now() + interval '1 d' FROM generate_series(1, $3::int) i`,
    `INSERT INTO identity.api_key (tenant_id, id, name, prefix, hash, scopes, created_by) SELECT $1, gen_random_uuid(), 'k', 'ofs_', sha256(convert_to($2 || '-' || i, 'UTF8')), '{organization:read}', (SELECT user_id FROM identity.member WHERE tenant_id = $1 LIMIT 1) FROM generate_series(1, $3::int) i`,
    `INSERT INTO identity.audit_log (tenant_id, id, actor_kind, actor_id, action, target_type, target_id) SELECT $1, gen_random_uuid(), 'user', gen_random_uuid(), 'member.joined', 'member', gen_random_uuid() FROM generate_series(1, $3::int) i, (SELECT $2) x`,
  ])
    await gateway.database.admin(sql, [tenantId('acme'), String(round), by])
}
