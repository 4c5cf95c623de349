import { forbidden, type UserId } from '@offshoot/rpc'
import type { IdentityContext } from './domain.ts'

/** The user who calls, for what an API key must not do in a user's name. */
export function signedInUser({ identity: { actor } }: IdentityContext): UserId {
  if (actor.kind !== 'user') throw forbidden('USER_ONLY', 'This needs a signed-in user; an API key cannot do it.')
  return actor.id
}
