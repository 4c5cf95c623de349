import { type GraphQLContext, pageArguments, pageOf, type SchemaPart, type Viewer } from '@offshoot/graphql'
import { type Client, type OutputOf, type Plan, Problem, type TenantId } from '@offshoot/rpc'
import { identity, OrganizationEntity, UserEntity } from './contract.ts'

type Output<Call extends keyof (typeof identity)['calls']> = OutputOf<(typeof identity)['calls'][Call]>

/** People, organizations and what belongs to them, in the public schema. */
export const graphql: SchemaPart = ({ builder, entity, connection, Role }) => {
  const Organization = entity(OrganizationEntity)

  const PlanEnum = builder.enumType('Plan', {
    description: 'What an organization has taken out.',
    values: { FREE: { value: 'free' }, PRO: { value: 'pro' }, ENTERPRISE: { value: 'enterprise' } } as {
      [K in Uppercase<Plan>]: { value: Lowercase<K> }
    },
  })

  const Membership = builder.objectRef<Viewer['memberships'][number]>('Membership').implement({
    description: 'An organization that one belongs to, and as what.',
    fields: (t) => ({
      organization: t.field({ type: Organization, resolve: ({ organization }) => organization as never }),
      role: t.field({ type: Role, resolve: ({ role }) => role }),
    }),
  })

  const User = entity(UserEntity)
  User.implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      name: t.exposeString('name'),
      email: t.exposeString('email'),
      memberships: t.field({
        type: [Membership],
        nullable: true,
        description: 'One’s own; null for everybody else.',
        resolve({ id }, _, context) {
          const viewer = context.viewer()
          return viewer?.user.id === id ? viewer.memberships : null
        },
      }),
    }),
  })

  const Member = builder.objectRef<Output<'members'>[number]>('Member').implement({
    description: 'A user’s membership in the organization; its id is not the user’s.',
    fields: (t) => ({
      id: t.exposeID('id'),
      user: t.field({ type: User, nullable: true, resolve: ({ user }) => user }),
      role: t.field({ type: Role, resolve: ({ role }) => role }),
      joinedAt: t.field({ type: 'DateTime', resolve: ({ joinedAt }) => joinedAt }),
    }),
  })

  const Invitation = builder.objectRef<Output<'inviteMember'>>('Invitation').implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      email: t.exposeString('email'),
      role: t.field({ type: Role, resolve: ({ role }) => role }),
      invitedBy: t.field({ type: User, nullable: true, resolve: ({ invitedBy }) => invitedBy }),
      expiresAt: t.field({ type: 'DateTime', resolve: ({ expiresAt }) => expiresAt }),
      createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    }),
  })

  const ApiKey = builder.objectRef<Output<'revokeApiKey'>>('ApiKey').implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      name: t.exposeString('name'),
      prefix: t.exposeString('prefix', { description: 'How the key begins, to recognise it by.' }),
      scopes: t.exposeStringList('scopes'),
      createdBy: t.field({ type: User, nullable: true, resolve: ({ createdBy }) => createdBy }),
      createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
      expiresAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ expiresAt }) => expiresAt }),
      revokedAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ revokedAt }) => revokedAt }),
    }),
  })

  const CreatedApiKey = builder.objectRef<Output<'createApiKey'>>('CreatedApiKey').implement({
    fields: (t) => ({
      apiKey: t.field({ type: ApiKey, resolve: ({ apiKey }) => apiKey }),
      secret: t.exposeString('secret', { description: 'The key itself. It is shown here and never again.' }),
    }),
  })

  const AuditEntry = builder.objectRef<Output<'auditLog'>['items'][number]>('AuditEntry').implement({
    description: 'Who did what to which thing.',
    fields: (t) => ({
      id: t.exposeID('id'),
      at: t.field({ type: 'DateTime', resolve: ({ at }) => at }),
      actorType: t.string({ description: '`user` or `key`.', resolve: ({ actor }) => actor.kind }),
      actorId: t.id({ resolve: ({ actor }) => actor.id }),
      action: t.exposeString('action'),
      targetType: t.string({ resolve: ({ target }) => target.type }),
      targetId: t.id({ resolve: ({ target }) => target.id }),
    }),
  })

  /** The client, for the organization in whose name the request is made. */
  function clientOf({ id, slug }: { id: TenantId; slug: string }, context: GraphQLContext): Client<typeof identity> {
    if (id !== context.tenant) {
      throw new Problem(
        'BAD_USER_INPUT',
        'TENANT_REQUIRED',
        `Ask for this in a request of its own, with the header x-tenant: ${slug}.`,
      )
    }
    return context.client(identity)
  }

  Organization.implement({
    description: 'A tenant: whatever is in it can be seen and changed by its members only.',
    fields: (t) => ({
      id: t.exposeID('id'),
      slug: t.exposeString('slug', { description: 'Its name in host names and in the header x-tenant.' }),
      name: t.exposeString('name'),
      plan: t.field({ type: PlanEnum, resolve: ({ plan }) => plan }),
      members: t.field({
        type: [Member],
        nullable: true,
        resolve: (organization, _, context) => clientOf(organization, context).members({}),
      }),
      invitations: t.field({
        type: [Invitation],
        nullable: true,
        description: 'Those that can still be accepted.',
        resolve: (organization, _, context) => clientOf(organization, context).invitations({}),
      }),
      apiKeys: t.field({
        type: [ApiKey],
        nullable: true,
        resolve: (organization, _, context) => clientOf(organization, context).apiKeys({}),
      }),
      auditLog: t.field({
        type: connection(AuditEntry),
        nullable: true,
        description: 'Newest first; for owners.',
        args: pageArguments(t),
        resolve: (organization, page, context) =>
          clientOf(organization, context).auditLog(pageOf(AuditEntry.name, page, context)),
      }),
    }),
  })

  builder.queryFields((t) => ({
    me: t.field({
      type: User,
      nullable: true,
      description: 'Who is signed in; null when nobody is.',
      resolve: (_, __, context) => context.viewer()?.user ?? null,
    }),
    organization: t.field({
      type: Organization,
      nullable: true,
      description: 'The organization that the request is made in.',
      resolve: (_, __, context) => context.client(identity).organization({}),
    }),
  }))

  const CreateOrganizationInput = builder.inputType('CreateOrganizationInput', {
    fields: (t) => ({
      name: t.string({ required: true }),
      slug: t.string({ required: true, description: 'Lower-case letters, digits and hyphens.' }),
    }),
  })
  const ChangePlanInput = builder.inputType('ChangePlanInput', {
    fields: (t) => ({
      slug: t.string({ required: true, description: 'The organization’s.' }),
      plan: t.field({ type: PlanEnum, required: true }),
    }),
  })
  const InviteMemberInput = builder.inputType('InviteMemberInput', {
    fields: (t) => ({ email: t.string({ required: true }), role: t.field({ type: Role, required: true }) }),
  })
  const ChangeMemberRoleInput = builder.inputType('ChangeMemberRoleInput', {
    fields: (t) => ({
      id: t.id({ required: true, description: 'The member’s, not the user’s.' }),
      role: t.field({ type: Role, required: true }),
    }),
  })
  const CreateApiKeyInput = builder.inputType('CreateApiKeyInput', {
    fields: (t) => ({
      name: t.string({ required: true }),
      scopes: t.stringList({ required: true, description: 'Actions that the key may do, such as `product:read`.' }),
      expiresAt: t.field({ type: 'DateTime' }),
    }),
  })

  builder.mutationFields((t) => ({
    createOrganization: t.field({
      type: Organization,
      nullable: true,
      description: 'Makes an organization, with the caller as its owner. Needs no tenant.',
      args: { input: t.arg({ type: CreateOrganizationInput, required: true }) },
      resolve: (_, { input }, context) => context.client(identity).createOrganization(input),
    }),
    changePlan: t.field({
      type: Organization,
      nullable: true,
      description: 'Gives an organization another plan. For the staff of the product only.',
      args: { input: t.arg({ type: ChangePlanInput, required: true }) },
      resolve: (_, { input }, context) => context.client(identity).changePlan(input),
    }),
    inviteMember: t.field({
      type: Invitation,
      nullable: true,
      args: { input: t.arg({ type: InviteMemberInput, required: true }) },
      resolve: (_, { input }, context) => context.client(identity).inviteMember(input),
    }),
    revokeInvitation: t.field({
      type: Invitation,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, context) => context.client(identity).revokeInvitation({ id: id as never }),
    }),
    acceptInvitation: t.field({
      type: Organization,
      nullable: true,
      description: 'Makes the caller a member. Works once, for the invited address only. Needs no tenant.',
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, context) => context.client(identity).acceptInvitation({ id: id as never }),
    }),
    changeMemberRole: t.field({
      type: Member,
      nullable: true,
      args: { input: t.arg({ type: ChangeMemberRoleInput, required: true }) },
      resolve: (_, { input: { id, role } }, context) =>
        context.client(identity).changeMemberRole({ id: id as never, role }),
    }),
    removeMember: t.field({
      type: Organization,
      nullable: true,
      args: { id: t.arg.id({ required: true, description: 'The member’s, not the user’s.' }) },
      resolve: (_, { id }, context) => context.client(identity).removeMember({ id: id as never }),
    }),
    leaveOrganization: t.field({
      type: Organization,
      nullable: true,
      resolve: (_, __, context) => context.client(identity).leaveOrganization({}),
    }),
    createApiKey: t.field({
      type: CreatedApiKey,
      nullable: true,
      args: { input: t.arg({ type: CreateApiKeyInput, required: true }) },
      resolve: (_, { input: { expiresAt, ...input } }, context) =>
        context.client(identity).createApiKey({ ...input, expiresAt: expiresAt ?? undefined }),
    }),
    revokeApiKey: t.field({
      type: ApiKey,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, context) => context.client(identity).revokeApiKey({ id: id as never }),
    }),
  }))
}
