import type { Identity, InputOf, OutputOf } from '@offshoot/rpc'
import { toPage } from '@offshoot/rpc'
import type { identity } from './contract.ts'
import type { IdentityContext, IdentityTransaction } from './domain.ts'

/** What the audit log tells of, as `<thing>.<what happened to it>`. */
export type AuditedAction =
  | 'organization.created'
  | 'organization.plan-changed'
  | 'member.joined'
  | 'member.role-changed'
  | 'member.removed'
  | 'member.left'
  | 'invitation.created'
  | 'invitation.revoked'
  | 'api-key.created'
  | 'api-key.revoked'

/** Writes down who did what to which things. In the change's own transaction: neither is there without the other. */
export async function record(
  tx: IdentityTransaction,
  { actor }: Identity,
  action: AuditedAction,
  ...targetIds: string[]
): Promise<void> {
  if (actor.kind !== 'user' && actor.kind !== 'key') throw new Error(`${action} was done by nobody.`)
  const [targetType] = action.split('.') as [string]
  const by = { actorKind: actor.kind, actorId: actor.id }
  await tx.auditEntry.createMany({ data: targetIds.map((targetId) => ({ ...by, action, targetType, targetId })) })
}

type Call = (typeof identity)['calls']['auditLog']

/** The newest entries first; ids are UUIDv7, so that the order of ids is the order of time. */
export async function auditLog(ctx: IdentityContext, { first, after }: InputOf<Call>): Promise<OutputOf<Call>> {
  const rows = await ctx.db.auditEntry.findMany({
    where: { id: { lt: after } },
    orderBy: { id: 'desc' },
    take: first + 1,
  })
  const { items, more } = toPage(rows, first)
  return { items: items.map(toEntry), more }
}

type Entry = OutputOf<Call>['items'][number]

interface Row {
  id: string
  at: Date
  actorKind: string
  actorId: string
  action: string
  targetType: string
  targetId: string
}

function toEntry({ id, at, actorKind, actorId, action, targetType, targetId }: Row): Entry {
  return {
    id: id as Entry['id'],
    at: at.toISOString(),
    actor: { kind: actorKind as Entry['actor']['kind'], id: actorId },
    action,
    target: { type: targetType, id: targetId },
  }
}
