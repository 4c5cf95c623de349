/** A process with a relay and a consumer of the shop, told by its only argument what it is to do. */
import { openLanes } from '@offshoot/data'
import { identityTokens, localLink } from '@offshoot/rpc'
import { PrismaClient } from '../../data/test/shop/src/generated/prisma/client.ts'
import { handler, on } from '../src/index.ts'
import { natsTransport, postgresTransport, startEvents } from '../src/runtime.ts'
import { Noted, note, openSystemPool, pause } from './shop.ts'

export interface WorkerTask {
  serving: string
  system: string
  /** The transport: PostgreSQL's URL, or NATS'. */
  events: string
  secret: string
  handler: string
  /** The order whose event kills the process, and when. */
  poison?: string
  /** Stops by itself after so many ms. */
  stopAfter?: number
}

const task = JSON.parse(process.argv[2]!) as WorkerTask
const lanes = await openLanes({ url: task.serving, schema: 'shop', prisma: (adapter) => new PrismaClient({ adapter }) })
const open = task.events.startsWith('nats') ? natsTransport : postgresTransport
const transport = await open({ url: task.events, onTrouble: () => {} })
const work = on(Noted, async ({ tx }, { data }) => {
  await note(tx, data.order, data.n)
  if (data.order === task.poison) process.kill(process.pid, 'SIGKILL')
})
const runtime = await startEvents({
  domains: [
    {
      name: 'shop',
      emits: [Noted],
      handlers: [handler(task.handler, [work], { attempts: 2, timeout: 1_500 })],
      lanes,
      openSystem: () => openSystemPool(task.system),
      uses: {},
    },
  ],
  transport,
  secret: task.secret,
  link: localLink(new Map()),
  tokens: identityTokens(task.secret),
  log: { info: () => {}, warn: () => {}, error: () => {} },
  poll: 50,
  leaseMargin: 0,
})
process.stdout.write('started\n')
if (task.stopAfter !== undefined) {
  await pause(task.stopAfter)
  await runtime.stop()
  await transport.close()
  await lanes.close()
}
