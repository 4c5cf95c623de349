import { demo, demoId, type Seeding } from '@offshoot/host'
import type { TenantId } from '@offshoot/rpc'
import { hashPassword } from 'better-auth/crypto'
import type { PrismaClient } from './generated/prisma/client.ts'

/** The demo's users and tenants. Adds what is missing and leaves the rest as people changed it. */
export async function seed({ global, enter }: Seeding<PrismaClient>): Promise<void> {
  const users = demo.users.map(({ email, name, operator }) => ({
    id: demoId('user', email),
    email,
    name,
    operator,
    emailVerified: true,
  }))
  const { count } = await global.user.createMany({ data: users, skipDuplicates: true })
  if (count > 0) {
    const password = await hashPassword(demo.password)
    await global.account.createMany({
      data: users.map(({ id, email }) => ({
        id: demoId('account', email),
        userId: id,
        accountId: id,
        providerId: 'credential',
        password,
      })),
      skipDuplicates: true,
    })
  }

  for (const { slug, name, plan } of demo.tenants) {
    const tenant = demoId('tenant', slug) as TenantId
    const members = demo.users.flatMap(({ email, memberships }) => {
      const role = (memberships as Record<string, string>)[slug]
      return role ? [{ id: demoId('member', `${slug}:${email}`), userId: demoId('user', email), role }] : []
    })
    await enter(tenant).transaction(async (tx) => {
      await tx.tenantSlug.createMany({ data: { tenant, slug }, skipDuplicates: true })
      await tx.organization.createMany({ data: { id: tenant, name, plan }, skipDuplicates: true })
      await tx.member.createMany({ data: members, skipDuplicates: true })
      await tx.userTenant.createMany({
        data: members.map(({ userId: user }) => ({ user, tenant })),
        skipDuplicates: true,
      })
    })
  }
}
