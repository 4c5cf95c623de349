import { type OutputOf, type TenantId, uuidBytes, uuidText } from '@offshoot/rpc'
import { InvitationId, type identity } from './contract.ts'
import type { IdentityContext } from './domain.ts'

type Invitation = OutputOf<(typeof identity)['calls']['invitations']>[number]

/** An invitation that is neither accepted, revoked nor expired. */
export const stillOpen = () => ({ closedAt: null, expiresAt: { gt: new Date() } })

/** The invitations that can still be accepted, the newest first. */
export async function invitations(ctx: IdentityContext): Promise<Invitation[]> {
  const rows = await ctx.db.invitation.findMany({ where: stillOpen(), orderBy: { id: 'desc' } })
  return rows.map((row) => toInvitation(row, ctx.tenant))
}

interface Row {
  id: string
  email: string
  role: string
  invitedBy: string
  expiresAt: Date
  createdAt: Date
}

export function toInvitation({ id, email, role, invitedBy, expiresAt, createdAt }: Row, tenant: TenantId): Invitation {
  return {
    id: invitationId(tenant, id),
    email,
    role,
    invitedBy,
    expiresAt: expiresAt.toISOString(),
    createdAt: createdAt.toISOString(),
  } as Invitation
}

/** The id that clients know: the tenant and the row, 32 bytes in base64url. */
function invitationId(tenant: TenantId, row: string): InvitationId {
  return InvitationId.parse(Buffer.concat([uuidBytes(tenant), uuidBytes(row)]).toString('base64url'))
}

/** The tenant and the row that an invitation's id names, or null when it is none. Both are a client's claim. */
export function readInvitationId(id: InvitationId): { tenant: TenantId; row: string } | null {
  if (!/^[\w-]{43}$/.test(id)) return null
  const bytes = Buffer.from(id, 'base64url')
  if (bytes.toString('base64url') !== id) return null
  return { tenant: uuidText(bytes.subarray(0, 16)) as TenantId, row: uuidText(bytes.subarray(16)) }
}
