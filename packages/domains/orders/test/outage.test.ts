import { catalogDomain } from '@offshoot/catalog'
import { catalog } from '@offshoot/catalog/contract'
import { testApp } from '@offshoot/testing'
import { expect, it } from 'vitest'
import { orders } from '../src/contract.ts'
import { ordersDomain } from '../src/domain.ts'

it('while catalog is unavailable, placing is UNAVAILABLE and writes nothing; what was placed can be read, repeated and cancelled', async () => {
  const app = await testApp([catalogDomain, ordersDomain], { events: false })
  const { admin, adminUrl, urls } = app.database
  const [database, role] = [new URL(adminUrl).pathname.slice(1), new URL(urls.catalog!.serving).username]
  const desk = app.client(orders)
  const { id: productId } = await app
    .client(catalog)
    .create({ sku: 'A', name: 'A', price: { minor: 1, currency: 'EUR' }, stock: 1 })
  const request = { lines: [{ productId, quantity: 1 }], idempotencyKey: 'before' }
  const order = await desk.place(request)

  await admin(`revoke connect on database ${database} from "${role}"`)
  await admin('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = $2', [
    database,
    role,
  ])

  await expect(desk.place({ ...request, idempotencyKey: 'during' })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(await admin('select 1 from orders."order"')).toHaveLength(1)
  expect((await desk.list({ first: 10 })).items).toEqual([order])
  expect(await desk.place(request)).toEqual(order)
  expect(await desk.cancel({ id: order.id })).toMatchObject({ status: 'CANCELLED' })

  await admin(`grant connect on database ${database} to "${role}"`)
  await expect
    .poll(() => desk.place({ ...request, idempotencyKey: 'during' }).catch(() => null), { timeout: 5_000 })
    .toMatchObject({ status: 'PENDING' })
  await app.stop()
})
