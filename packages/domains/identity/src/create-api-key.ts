import { type Actions, badInput, forbidden, type InputOf, type OutputOf } from '@offshoot/rpc'
import { toApiKey } from './api-keys.ts'
import type { identity } from './contract.ts'
import { makeApiKey } from './credentials.ts'
import type { IdentityContext } from './domain.ts'
import { changeOrganization } from './organization-change.ts'
import { signedInUser } from './signed-in-user.ts'

type Call = (typeof identity)['calls']['createApiKey']

/** Makes a key whose scopes are among `actions`, all that the product has, and within what its maker's role allows. */
export function createApiKey(actions: Actions) {
  return async (ctx: IdentityContext, { name, scopes, expiresAt }: InputOf<Call>): Promise<OutputOf<Call>> => {
    const user = signedInUser(ctx)
    const unknown = scopes.find((scope) => !Object.hasOwn(actions, scope))
    if (unknown !== undefined) throw badInput('SCOPE_UNKNOWN', 'There is no such scope.', { scope: unknown })
    if (expiresAt !== undefined && Date.parse(expiresAt) <= Date.now()) {
      throw badInput('EXPIRY_IN_PAST', 'A key that has expired already would be of no use.')
    }
    const { key, prefix, hash } = makeApiKey(ctx.tenant)
    return changeOrganization(ctx, 'api-key:manage', async ({ tx, role, record }) => {
      const denied = scopes.find((scope) => !actions[scope]!.includes(role))
      if (denied !== undefined)
        throw forbidden(
          'SCOPE_TOO_WIDE',
          `Your role, ${role}, does not allow '${denied}', so that no key of yours can.`,
        )
      const row = await tx.apiKey.create({
        data: { name, prefix, hash, scopes: [...new Set(scopes)].sort(), createdBy: user, expiresAt },
        omit: { hash: true },
      })
      await record('api-key.created', row.id)
      return { apiKey: toApiKey(row), secret: key }
    })
  }
}
