import { join } from 'node:path'
import { type DomainContext, defineDomain } from '@offshoot/host'
import {
  billing,
  PaymentCaptured,
  PaymentFailed,
  PaymentRefunded,
  PaymentRequested,
  RefundRequested,
} from './contract.ts'
import { PrismaClient } from './generated/prisma/client.ts'
import { getPayments, getPaymentsByOrder } from './get-payments.ts'
import { graphql } from './graphql.ts'
import { captures, payments, refunds } from './handlers.ts'
import { listPayments } from './list-payments.ts'
import { seed } from './seed.ts'

export type BillingContext = DomainContext<PrismaClient>

export const billingDomain = defineDomain({
  contract: billing,
  data: { directory: join(import.meta.dirname, '../prisma'), globalTables: {} },
  prisma: (adapter) => new PrismaClient({ adapter }),
  calls: () => ({ getMany: getPayments, getByOrder: getPaymentsByOrder, list: listPayments }),
  graphql,
  emits: [PaymentRequested, PaymentCaptured, PaymentFailed, RefundRequested, PaymentRefunded],
  handlers: () => [payments, captures, refunds],
  seed,
})
