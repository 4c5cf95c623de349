import type { OutputOf } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'

type ApiKey = OutputOf<(typeof identity)['calls']['apiKeys']>[number]

/** All keys, the newest first, revoked and expired ones too: they are what the audit log speaks of. */
export async function apiKeys(ctx: IdentityContext): Promise<ApiKey[]> {
  const rows = await ctx.db.apiKey.findMany({ omit: { hash: true }, orderBy: { id: 'desc' } })
  return rows.map(toApiKey)
}

interface Row {
  id: string
  name: string
  prefix: string
  scopes: string[]
  createdBy: string
  createdAt: Date
  expiresAt: Date | null
  revokedAt: Date | null
}

export function toApiKey({ id, name, prefix, scopes, createdBy, createdAt, expiresAt, revokedAt }: Row): ApiKey {
  return {
    id,
    name,
    prefix,
    scopes,
    createdBy,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
  } as ApiKey
}
