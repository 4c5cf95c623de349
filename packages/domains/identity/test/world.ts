import { createHmac } from 'node:crypto'
import { type Lanes, openLanes } from '@offshoot/data'
import { type Client, edge, newId, type Role, UserId } from '@offshoot/rpc'
import { type TestApp, type TestAppOptions, testApp } from '@offshoot/testing'
import { expect } from 'vitest'
import { identity, type ResolvedActor } from '../src/contract.ts'
import { sessionSecret } from '../src/credentials.ts'
import { identityDomain } from '../src/domain.ts'
import { PrismaClient } from '../src/generated/prisma/client.ts'

type IdentityClient = Client<typeof identity>

/** The identity domain on a database of its own, and people in it. */
export interface World {
  app: TestApp
  /** The domain's own rows, for what no call can bring about: time that passes, and a look at what was written. */
  rows: Lanes<PrismaClient>
  /** What the gateway asks, for itself. */
  gateway: IdentityClient
  /** Somebody who has signed up. */
  person(email: string, options?: { verified?: boolean }): Promise<UserId>
  /** A session's bearer token. */
  signIn(email: string, options?: { expiresAt?: Date }): Promise<string>
  /** Who the credential belongs to, acting in the organization with this slug. */
  actor(credential: string, slug?: string): Promise<ResolvedActor>
  /** A client that acts as the credential's owner does now, resolved as the gateway resolves it. */
  by(credential: string, slug?: string): Promise<IdentityClient>
  /** A client for this person in this organization, in a session of their own. */
  as(email: string, slug?: string): Promise<IdentityClient>
  /** A new organization with one person in each of these roles: `owner@<slug>.test` and so on. */
  organization(slug: string, ...others: Role[]): Promise<void>
  /** Invites `email` as an owner of the organization and accepts as them. */
  join(slug: string, email: string, role: Role): Promise<void>
  /** The id of a person's membership. */
  memberId(slug: string, email: string): Promise<string>
  stop(): Promise<void>
}

export async function openWorld(options?: TestAppOptions): Promise<World> {
  const app = await testApp([identityDomain], options)
  const rows = await openLanes({
    url: app.database.urls.identity!.serving,
    schema: 'identity',
    prisma: (adapter) => new PrismaClient({ adapter }),
  })
  const gateway = app.client(identity, { identity: edge })
  const people = new Map<string, UserId>()

  async function person(email: string, { verified = true } = {}): Promise<UserId> {
    const known = people.get(email)
    if (known) return known
    const id = UserId.parse(newId())
    await rows.global.user.create({ data: { id, email, name: email.split('@')[0]!, emailVerified: verified } })
    people.set(email, id)
    return id
  }

  async function signIn(email: string, { expiresAt = new Date(Date.now() + 60_000) } = {}): Promise<string> {
    const token = newId()
    await rows.global.session.create({ data: { userId: await person(email), token, expiresAt } })
    return `${token}.${createHmac('sha256', sessionSecret(app.platform.secret)).update(token).digest('base64')}`
  }

  async function actor(credential: string, slug?: string): Promise<ResolvedActor> {
    const found = await gateway.resolveActor({ credential, slug: slug ?? null })
    if (!found) throw new Error('The credential is not good.')
    return found
  }

  const by = async (credential: string, slug?: string) =>
    app.client(identity, { identity: (await actor(credential, slug)).identity })
  const as = async (email: string, slug?: string) => by(await signIn(email), slug)

  async function join(slug: string, email: string, role: Role): Promise<void> {
    await person(email)
    const owner = await as(`owner@${slug}.test`, slug)
    const { id } = await owner.inviteMember({ email, role })
    await (await as(email)).acceptInvitation({ id })
  }

  return {
    app,
    rows,
    gateway,
    person,
    signIn,
    actor,
    by,
    as,
    join,
    async organization(slug, ...others) {
      await (await as(`owner@${slug}.test`)).createOrganization({ name: slug, slug })
      for (const role of others) await join(slug, `${role}@${slug}.test`, role)
    },
    async memberId(slug, email) {
      const user = await person(email)
      const members = await (await as(`owner@${slug}.test`, slug)).members({})
      return members.find((member) => member.user === user)!.id
    },
    async stop() {
      await rows.close()
      await app.stop()
    },
  }
}

/** What a call rejects with. */
export const problem = (code: string, reason: string) => expect.objectContaining({ code, reason })
