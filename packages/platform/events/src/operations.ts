import {
  type Client,
  command,
  defineContract,
  type Handlers,
  maxPageSize,
  notFound,
  page,
  query,
  Timestamp,
} from '@offshoot/rpc'
import type pg from 'pg'
import { z } from 'zod'
import { discardDeadLetter, findDeadLetter, listDeadLetters, replayDeadLetter } from './dead-letters.ts'
import { outboxLag } from './lag.ts'

/**
 * Without what the event says: that may be personal data of a tenant's customers, and answers to queries are kept and passed on in ways that nobody oversees. Whoever
 * must see it has the command on the machine.
 */
const DeadLetter = z.object({
  id: z.string(),
  domain: z.string(),
  handler: z.string(),
  tenant: z.uuid(),
  event: z.object({
    id: z.uuid(),
    source: z.string(),
    type: z.string(),
    version: z.int(),
    subject: z.string(),
    revision: z.int(),
    time: Timestamp,
    traceparent: z.string().nullable(),
  }),
  error: z.string(),
  attempts: z.int(),
  firstFailedAt: Timestamp,
  lastFailedAt: Timestamp,
})

const id = z.string().max(500)
const oneLetter = {
  audience: 'operator',
  input: z.object({ id }),
  output: DeadLetter,
  reasons: { DEAD_LETTER_NOT_FOUND: 'NOT_FOUND' },
} as const

const make = (domain: string) =>
  defineContract(`${domain}.operations`, {
    actions: {},
    calls: {
      /** The newest event first. `after` is a position: a dead letter that has been replayed is as good as any, and so is one of another domain. */
      deadLetters: query({
        audience: 'operator',
        input: z.object({
          first: z.int().min(1).max(maxPageSize),
          after: id.optional(),
          handler: z.string().max(200).optional(),
        }),
        output: page(DeadLetter),
      }),
      outboxLag: query({
        audience: 'operator',
        input: z.object({}),
        output: z.object({ domain: z.string(), unpublished: z.int(), oldestSeconds: z.number().nullable() }),
      }),
      /** Has the event handled again. Answers with the dead letter that it was. */
      replayDeadLetter: command(oneLetter),
      /** Counts the event as handled. Answers with the dead letter that it was. */
      discardDeadLetter: command(oneLetter),
    },
  })

export type OperationsContract = ReturnType<typeof make>

const contracts = new Map<string, OperationsContract>()

/** What the product's own staff may ask of a domain and do to it: the platform serves it for each domain, beside the domain's own contract. */
export function operationsOf(domain: string): OperationsContract {
  const contract = contracts.get(domain) ?? make(domain)
  contracts.set(domain, contract)
  return contract
}

export interface OperationsContext {
  /** Connections of the domain's system role; the reason goes on record. */
  system(reason: string): Promise<pg.Pool>
}

/** Serves it. */
export function operationsHandlers(domain: string): Handlers<OperationsContract, OperationsContext> {
  const settle =
    (verb: string, revive: typeof replayDeadLetter) =>
    async ({ system }: OperationsContext, { id }: { id: string }) => {
      const pool = await system(`the dead letter ${id} is ${verb}`)
      const found = await findDeadLetter(pool, domain, id)
      if (!found || !(await revive(pool, domain, id))) throw notFound('DeadLetter')
      const { data, ...letter } = found
      return letter
    }
  return {
    async deadLetters({ system }, { first, after, handler }) {
      const items = await listDeadLetters(await system('dead letters are listed'), domain, {
        first: first + 1,
        after,
        handler,
      })
      return { items: items.slice(0, first), more: items.length > first }
    },
    outboxLag: async ({ system }) => outboxLag(await system('the lag of the outbox is read'), domain),
    replayDeadLetter: settle('replayed', replayDeadLetter),
    discardDeadLetter: settle('discarded', discardDeadLetter),
  }
}
