import { buildSchema, printPublicSchema } from '@offshoot/graphql'
import type { GraphQLSchema } from 'graphql'
import { domains } from './domains.ts'

/** The public schema: the parts of all domains, wherever they run. */
export function publicSchema(): GraphQLSchema {
  return buildSchema(domains.flatMap(({ definition }) => definition.graphql ?? []))
}

/** What `schema.graphql` must contain. */
export const publicSdl = (): string => printPublicSchema(publicSchema())

if (import.meta.main) process.stdout.write(publicSdl())
