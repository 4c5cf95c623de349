import { fileURLToPath } from 'node:url'
import type { LaneTransaction } from '@offshoot/data'
import { type DomainContext, defineDomain } from '@offshoot/host'
import { acceptInvitation } from './accept-invitation.ts'
import { apiKeys } from './api-keys.ts'
import { auditLog } from './audit.ts'
import { authPath } from './auth.ts'
import { authRoutes } from './auth-routes.ts'
import { changeMemberRole } from './change-member-role.ts'
import { changePlan } from './change-plan.ts'
import { identity } from './contract.ts'
import { createApiKey } from './create-api-key.ts'
import { createOrganization } from './create-organization.ts'
import { sessionSecret } from './credentials.ts'
import { PrismaClient } from './generated/prisma/client.ts'
import { graphql } from './graphql.ts'
import { invitations } from './invitations.ts'
import { inviteMember } from './invite-member.ts'
import { leaveOrganization } from './leave-organization.ts'
import { members } from './members.ts'
import { organization, organizationsByIds } from './organizations.ts'
import { removeMember } from './remove-member.ts'
import { resolveActor } from './resolve-actor.ts'
import { revokeApiKey } from './revoke-api-key.ts'
import { revokeInvitation } from './revoke-invitation.ts'
import { seed } from './seed.ts'
import { usersByIds } from './users.ts'

export type IdentityContext = DomainContext<PrismaClient>
export type IdentityTransaction = LaneTransaction<PrismaClient>

/** Users, organizations (the tenants), members, invitations, API keys, and the log of who changed what about them. */
export const identityDomain = defineDomain({
  contract: identity,
  data: {
    directory: fileURLToPath(new URL('../prisma', import.meta.url)),
    globalTables: {
      user: 'a person may belong to several tenants, or to none yet',
      session: 'a session is known before a tenant is',
      account: 'how a user signs in, whatever the tenant',
      verification: 'pending verifications of addresses and password resets, before anyone is signed in',
      tenant_slug: 'a slug is looked up before the tenant is known, and is unique across tenants',
      user_tenant: 'the tenants of a user are looked up before one of them is chosen; grants nothing by itself',
    },
    definerFunctions: {
      resolve_actor: 'who a credential belongs to, and where they are a member: the read before a tenant is known',
    },
  },
  prisma: (adapter) => new PrismaClient({ adapter, errorFormat: 'minimal' }),
  calls: (platform) => ({
    resolveActor: resolveActor(sessionSecret(platform.secret)),
    usersByIds,
    organization,
    organizationsByIds,
    members,
    invitations,
    apiKeys,
    auditLog,
    createOrganization,
    changePlan,
    acceptInvitation,
    inviteMember: inviteMember(platform),
    revokeInvitation,
    changeMemberRole,
    removeMember,
    leaveOrganization,
    createApiKey: createApiKey(platform.actions),
    revokeApiKey,
  }),
  graphql,
  routes: { path: authPath, router: authRoutes },
  seed,
})
