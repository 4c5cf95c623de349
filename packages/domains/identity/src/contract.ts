import {
  command,
  defineContract,
  defineEntity,
  Identity,
  id,
  Plan,
  query,
  Role,
  TenantId,
  Timestamp,
  text,
  UserId,
} from '@offshoot/rpc'
import { z } from 'zod'

/** The cookie that carries a session's token; the same value is accepted as a bearer token. */
export const sessionCookie = 'offshoot_session'

export const MemberId = id('MemberId')
export const ApiKeyId = id('ApiKeyId')

/**
 * An invitation's id names its tenant too (opaque to clients), since it is accepted by someone who has no tenant yet.
 */
export const InvitationId = z.string().max(100).brand<'InvitationId'>()
export type InvitationId = z.infer<typeof InvitationId>

const Email = z.email().max(254).toLowerCase()

/** The name in host names and in the header `x-tenant`: letters, digits and hyphens, as in a DNS label (RFC 1035). */
export const Slug = z
  .string()
  .min(2)
  .max(40)
  .regex(
    /^[a-z](?:[a-z0-9]|-(?=[a-z0-9]))*$/,
    'must be lower-case letters, digits and single hyphens, beginning with a letter',
  )

/** A person as the other members of an organization see them; former members stay readable, for what they did. */
export const User = z.object({ id: UserId, name: z.string(), email: z.string() })

export const Organization = z.object({
  id: TenantId,
  slug: z.string(),
  name: z.string(),
  plan: Plan,
  createdAt: Timestamp,
})

/** An organization that one belongs to, and as what. */
export const Membership = z.object({
  organization: Organization.omit({ createdAt: true }),
  role: Role,
})

/** A user who belongs to the organization; `id` is the membership's, not the user's. */
export const Member = z.object({ id: MemberId, user: UserId, role: Role, joinedAt: Timestamp })

/** An invitation that can still be accepted. */
export const Invitation = z.object({
  id: InvitationId,
  email: z.string(),
  role: Role,
  invitedBy: UserId,
  expiresAt: Timestamp,
  createdAt: Timestamp,
})

/** An API key as it can be shown again: without its secret, of which only a hash is stored. */
export const ApiKey = z.object({
  id: ApiKeyId,
  name: z.string(),
  /** The first characters of the secret, to recognise it by. */
  prefix: z.string(),
  scopes: z.array(z.string()),
  createdBy: UserId,
  createdAt: Timestamp,
  expiresAt: Timestamp.nullable(),
  revokedAt: Timestamp.nullable(),
})

/** Who did what to which thing. Append-only; holds ids and no personal data. */
export const AuditEntry = z.object({
  id: id('AuditEntryId'),
  at: Timestamp,
  actor: z.object({ kind: z.enum(['user', 'key']), id: z.uuid() }),
  action: z.string(),
  target: z.object({ type: z.string(), id: z.string() }),
})

/** What the edge learns about a credential: everything that it needs to choose a tenant and to call on. */
export const ResolvedActor = z.object({
  identity: Identity,
  user: z.object({ id: UserId, name: z.string(), email: z.string(), emailVerified: z.boolean() }),
  memberships: z.array(Membership),
})
export type ResolvedActor = z.infer<typeof ResolvedActor>

const everyone = ['owner', 'admin', 'member'] as const
const managers = ['owner', 'admin'] as const
const owners = ['owner'] as const

export const identity = defineContract('identity', {
  actions: {
    'organization:read': everyone,
    'organization:leave': everyone,
    'member:invite': managers,
    'member:manage': managers,
    'api-key:manage': managers,
    'audit-log:read': owners,
  },
  calls: {
    /**
     * Who a credential (session token or API key) belongs to, and its identity in the tenant with this slug. `slug` null: the only
     * tenant of the actor, or none. The answer is null for a credential that is unknown, expired or revoked; FORBIDDEN with the
     * same words for a tenant that the actor does not belong to and for one that does not exist.
     */
    resolveActor: query({
      audience: 'edge',
      input: z.object({ credential: z.string().max(1_000), slug: z.string().max(100).nullable() }),
      output: ResolvedActor.nullable(),
    }),

    usersByIds: query({
      action: 'organization:read',
      input: z.object({ ids: z.array(UserId).max(1_000) }),
      output: z.array(User.nullable()),
    }),
    organization: query({ action: 'organization:read', input: z.object({}), output: Organization }),
    organizationsByIds: query({
      action: 'organization:read',
      input: z.object({ ids: z.array(TenantId).max(1_000) }),
      output: z.array(Organization.nullable()),
    }),
    /** The present members; of these users, or in these roles, when they are named. */
    members: query({
      action: 'organization:read',
      input: z.object({ users: z.array(UserId).max(1_000).optional(), roles: z.array(Role).max(3).optional() }),
      output: z.array(Member),
    }),
    invitations: query({ action: 'member:invite', input: z.object({}), output: z.array(Invitation) }),
    apiKeys: query({ action: 'api-key:manage', input: z.object({}), output: z.array(ApiKey) }),
    /** The newest entries first. */
    auditLog: query({
      action: 'audit-log:read',
      input: z.object({ first: z.int().min(1).max(100), after: z.uuid().optional() }),
      output: z.object({ items: z.array(AuditEntry), more: z.boolean() }),
    }),

    /** Creates an organization, that is, a tenant, with the caller as its owner. */
    createOrganization: command({
      audience: 'user',
      input: z.object({ name: text(100), slug: Slug }),
      output: Organization,
      reasons: { SLUG_TAKEN: 'CONFLICT', SLUG_RESERVED: 'BAD_USER_INPUT' },
    }),
    /** For the staff of the product: nobody changes the plan of an organization by belonging to it. */
    changePlan: command({
      audience: 'operator',
      input: z.object({ slug: Slug, plan: Plan }),
      output: Organization,
      reasons: { ORGANIZATION_NOT_FOUND: 'NOT_FOUND' },
    }),
    /** Makes the caller a member. Works once, only for the invited address, and only when that address has been verified. */
    acceptInvitation: command({
      audience: 'user',
      input: z.object({ id: InvitationId }),
      output: Organization,
      reasons: { INVITATION_NOT_FOUND: 'NOT_FOUND', EMAIL_NOT_VERIFIED: 'FORBIDDEN', ALREADY_MEMBER: 'CONFLICT' },
    }),
    inviteMember: command({
      action: 'member:invite',
      input: z.object({ email: Email, role: Role }),
      output: Invitation,
      reasons: { ROLE_TOO_HIGH: 'FORBIDDEN', ALREADY_MEMBER: 'CONFLICT', ALREADY_INVITED: 'CONFLICT' },
    }),
    revokeInvitation: command({
      action: 'member:invite',
      input: z.object({ id: InvitationId }),
      output: Invitation,
      reasons: { INVITATION_NOT_FOUND: 'NOT_FOUND' },
    }),
    /** Nobody raises their own role, and nobody gives a role above their own; the last owner stays one. */
    changeMemberRole: command({
      action: 'member:manage',
      input: z.object({ id: MemberId, role: Role }),
      output: Member,
      reasons: { MEMBER_NOT_FOUND: 'NOT_FOUND', ROLE_TOO_HIGH: 'FORBIDDEN', LAST_OWNER: 'CONFLICT' },
    }),
    removeMember: command({
      action: 'member:manage',
      input: z.object({ id: MemberId }),
      output: Organization,
      reasons: { MEMBER_NOT_FOUND: 'NOT_FOUND', ROLE_TOO_HIGH: 'FORBIDDEN', LAST_OWNER: 'CONFLICT' },
    }),
    leaveOrganization: command({
      action: 'organization:leave',
      input: z.object({}),
      output: Organization,
      reasons: { LAST_OWNER: 'CONFLICT', USER_ONLY: 'FORBIDDEN' },
    }),
    /** The secret is in this answer and nowhere else. A key can do what its scopes say and its maker's present role allows. */
    createApiKey: command({
      action: 'api-key:manage',
      input: z.object({
        name: text(100),
        scopes: z.array(z.string().max(100)).min(1).max(50),
        expiresAt: Timestamp.optional(),
      }),
      output: z.object({ apiKey: ApiKey, secret: z.string() }),
      reasons: {
        SCOPE_UNKNOWN: 'BAD_USER_INPUT',
        SCOPE_TOO_WIDE: 'FORBIDDEN',
        EXPIRY_IN_PAST: 'BAD_USER_INPUT',
        USER_ONLY: 'FORBIDDEN',
      },
    }),
    revokeApiKey: command({
      action: 'api-key:manage',
      input: z.object({ id: ApiKeyId }),
      output: ApiKey,
      reasons: { API_KEY_NOT_FOUND: 'NOT_FOUND' },
    }),
  },
})

/** `User` in the public schema. */
export const UserEntity = defineEntity('User', identity, 'usersByIds')
/** `Organization` in the public schema: the tenant itself. */
export const OrganizationEntity = defineEntity('Organization', identity, 'organizationsByIds')
