import type { Client, Contract, Entity } from '@offshoot/rpc'
import { z } from 'zod'
import type { GraphQLContext } from './context.ts'
import type { Builder, EntityRef } from './schema.ts'

/** As many ids as a contract's plural read takes. */
const mostIds = 1_000
const Id = z.uuid()
const isId = (id: string) => Id.safeParse(id).success

/**
 * The GraphQL type of an entity. Resolvers may answer with a value or with an id; ids of one tick are read with a single call.
 * Nothing is kept between ticks, so that a mutation is never followed by what was read before it. An id that is none, or nobody's,
 * or another tenant's gives null.
 */
export function entityRef<Value>(builder: Builder, { name, contract, load }: Entity<string, Value>): EntityRef<Value> {
  return builder.loadableObjectRef<Value | null, string>(name, {
    loaderOptions: { cache: false, maxBatchSize: mostIds },
    async load(keys: string[], context: GraphQLContext) {
      const ids = [...new Set(keys.filter(isId).map((id) => id.toLowerCase()))]
      const read = (context.client(contract) as Client<Contract>)[load] as (input: {
        ids: string[]
      }) => Promise<(Value | null)[]>
      const values = ids.length > 0 ? await read({ ids }) : []
      const found = new Map(ids.map((id, i) => [id, values[i] ?? null]))
      return keys.map((key) => found.get(key.toLowerCase()) ?? null)
    },
  }) as unknown as EntityRef<Value>
}
