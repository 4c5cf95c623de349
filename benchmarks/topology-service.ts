// #region with catalog, orders
/** One domain in a process of its own, as `npm run extract` would make it. Counts the calls that come to it, and says how many when asked. */
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import { domains } from '@offshoot/gateway/domains'
import { runService } from '@offshoot/host/service'

let calls = 0
subscribe('http.server.request.start', (message) => {
  if ((message as { request: IncomingMessage }).request.url?.startsWith('/calls/')) calls++
})
process.on('message', ({ type }: { type: string }) => {
  if (type === 'count') process.send!({ type: 'count', calls })
})

const name = process.argv[2]!
await runService(
  name,
  domains.filter((domain) => domain.name === name),
  domains.map(({ contract }) => contract),
)
