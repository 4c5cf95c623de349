/** A program that serves requests, asks PostgreSQL, measures and logs: what an app does, without one. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
// @ts-expect-error without types: it is what ES modules import that matters here
import pg from 'pg'
import { exportLine, inSpan, record, runningTelemetry, traceFields } from '../../src/index.ts'

const client = new pg.Client(process.env.TEST_DATABASE_URL)
await client.connect()

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url!, 'http://shop.test')
  if (pathname === '/metrics') return runningTelemetry()!.metrics!(request, response)
  if (pathname === '/labels')
    for (let n = 0; n < 10_000; n++) record('offshoot.mail.duration', 1, { 'error.type': `label-${n}` })
  if (pathname === '/orders') {
    await client.query('SELECT relname FROM pg_class WHERE relname = $1', ['CANARY-value'])
    await client.query('SELECT $1::uuid', ['CANARY-error']).catch(() => {})
    await inSpan('rpc.call', 'orders.place', { attributes: { domain: 'orders' } }, async () => {
      exportLine(
        JSON.stringify({ level: 'warn', time: Date.now(), msg: 'slow order', tenant: 'acme', ...traceFields() }),
      )
    })
  }
  response.end(runningTelemetry()?.recentTraces ? 'recent' : 'ok')
}).listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }))

process.on('SIGTERM', async () => {
  server.close()
  server.closeAllConnections()
  await client.end()
  await runningTelemetry()?.shutdown()
  process.exit(0)
})
