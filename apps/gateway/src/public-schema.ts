import { buildSchema, printPublicSchema } from '@offshoot/graphql'
import type { GraphQLSchema } from 'graphql'
import { domains } from './domains.ts'
import { operations } from './operations.ts'

/** The public schema: the parts of all domains, wherever they run, and what operators see of them. */
export function publicSchema(): GraphQLSchema {
  return buildSchema([
    ...domains.flatMap(({ definition }) => definition.graphql ?? []),
    operations(domains.map(({ name }) => name)),
  ])
}

/** What `schema.graphql` must contain. */
export const publicSdl = (): string => printPublicSchema(publicSchema())

if (import.meta.main) process.stdout.write(publicSdl())
