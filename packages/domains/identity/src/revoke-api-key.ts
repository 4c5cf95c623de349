import { type InputOf, notFound, type OutputOf } from '@offshoot/rpc'
import { toApiKey } from './api-keys.ts'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'
import { changeOrganization } from './organization-change.ts'

type Call = (typeof identity)['calls']['revokeApiKey']

/** Ends a key, whoever made it. Idempotent. */
export async function revokeApiKey(ctx: IdentityContext, { id }: InputOf<Call>): Promise<OutputOf<Call>> {
  return changeOrganization(ctx, 'api-key:manage', async ({ tx, record }) => {
    const key = await tx.apiKey.findUnique({ where: { id }, omit: { hash: true } })
    if (!key) throw notFound('ApiKey')
    if (key.revokedAt) return toApiKey(key)
    const revoked = await tx.apiKey.update({ where: { id }, data: { revokedAt: new Date() }, omit: { hash: true } })
    await record('api-key.revoked', id)
    return toApiKey(revoked)
  })
}
