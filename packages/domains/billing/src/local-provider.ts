import type { Lane } from '@offshoot/data'
import type { PrismaClient } from './generated/prisma/client.ts'
import type { PaymentProvider } from './provider.ts'

const never = new Promise<never>(() => {})

/**
 * A payment provider for development and tests. It stands for somebody else's system: its books are a table that nothing else touches, and it commits
 * each change on its own, so that what it charged stays charged when our transaction fails or our process dies.
 *
 * Test cards: `pm_ok` is charged; `pm_declined` and every unknown one is declined; `pm_timeout` is never charged and never answered for;
 * `pm_lost_answer` is charged and the first answer is lost.
 */
export function localProvider({ providerCharge: books }: Lane<PrismaClient>): PaymentProvider {
  /** Opens the books for a key, for whoever comes first. Tells how they stand, and whether it was us. */
  async function enter(id: string, entry: { status: string; amountMinor: bigint; currency: string }) {
    const { count } = await books.createMany({ data: [{ id, ...entry }], skipDuplicates: true })
    const { status } = await books.findUniqueOrThrow({ where: { id } })
    return { status, first: count === 1 }
  }

  return {
    async capture({ key, amount, method }) {
      if (method === 'pm_timeout') return never
      const charged = method === 'pm_ok' || method === 'pm_lost_answer'
      const { status, first } = await enter(key, {
        status: charged ? 'charged' : 'declined',
        amountMinor: BigInt(amount.minor),
        currency: amount.currency,
      })
      if (first && method === 'pm_lost_answer') return never
      return status === 'charged' ? 'captured' : 'declined'
    },

    async refund(key) {
      await enter(key, { status: 'closed', amountMinor: 0n, currency: 'XXX' })
      await books.updateMany({ where: { id: key, status: 'charged' }, data: { status: 'refunded' } })
      const { status } = await books.findUniqueOrThrow({ where: { id: key } })
      return status === 'refunded' ? 'refunded' : 'nothing-charged'
    },

    async find(key) {
      const charge = await books.findUnique({ where: { id: key } })
      return charge && (charge.status === 'charged' ? 'charged' : 'not-charged')
    },
  }
}
