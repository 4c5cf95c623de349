import { type InputOf, type OutputOf, toPage } from '@offshoot/rpc'
import type { catalog } from './contract.ts'
import type { CatalogContext } from './domain.ts'
import { toProduct } from './product.ts'
import { folded } from './search.ts'

type Input = InputOf<typeof catalog.calls.list>

/** A page of the products that are not archived, newest first; of those with `search` in their name or SKU when it is given. */
export async function listProducts(ctx: CatalogContext, input: Input): Promise<OutputOf<typeof catalog.calls.list>> {
  const search = folded(input.search?.trim() ?? '')
  const ids = search === '' ? undefined : await searchIds(ctx, search, input)
  const rows = await ctx.db.product.findMany({
    where: ids ? { id: { in: ids } } : { archived: false, id: { lt: input.after } },
    orderBy: { id: 'desc' },
    take: input.first + 1,
  })
  const { items, more } = toPage(rows, input.first)
  return { items: items.map(toProduct), more }
}

/** Above every id. */
const end = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/**
 * The ids of a page of matches. `strpos` rather than LIKE: nothing in `search` has a meaning of its own. Only columns of one index are
 * read, and only this tenant's part of it.
 */
async function searchIds({ db }: CatalogContext, search: string, { first, after = end }: Input): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    select id from catalog.product
    where tenant_id = ${db.tenant}::uuid and not archived and id < ${after}::uuid and strpos(search, ${search}) > 0
    order by id desc limit ${first + 1}`
  return rows.map(({ id }) => id)
}
