import { describe, expect, it } from 'vitest'
import { describeStatement } from '../src/index.ts'

describe('a statement', () => {
  it.each([
    ['SELECT "orders"."order"."id" FROM "orders"."order" WHERE 1=1', 'SELECT order', 'order'],
    ['INSERT INTO orders.order_line (tenant_id) VALUES ($1)', 'INSERT order_line', 'order_line'],
    ['INSERT INTO "orders"."order" ("tenant_id") VALUES ($1)', 'INSERT order', 'order'],
    ['update only product set stock = $1', 'UPDATE product', 'product'],
    ['DELETE FROM session', 'DELETE session', 'session'],
    ['select "orders".emit($1::jsonb)', 'SELECT emit', undefined],
    ['select event from "insights".take($1::text)', 'SELECT take', undefined],
    ['select event from "insights"."take"($1) t join insights.inbox i on true', 'SELECT inbox', 'inbox'],
    ['SELECT 1', 'SELECT', undefined],
    ['LISTEN wake', '_OTHER', undefined],
    ['', '_OTHER', undefined],
  ])('%s', (text, summary, collection) => {
    const { attributes } = describeStatement(text)
    expect(attributes).toMatchObject({ 'db.query.summary': summary, 'db.query.text': text })
    expect(attributes['db.collection.name']).toBe(collection)
  })
})
