import { join } from 'node:path'
import { type DomainContext, defineDomain } from '@offshoot/host'
import { identity } from '@offshoot/identity/contract'
import { EmailQueued, notifications } from './contract.ts'
import { outgoingEmail } from './flags.ts'
import { PrismaClient } from './generated/prisma/client.ts'
import { graphql } from './graphql.ts'
import { handlers } from './handlers.ts'
import { listEmails } from './list-emails.ts'

export type NotificationsContext = DomainContext<PrismaClient, { identity: typeof identity }>

export const notificationsDomain = defineDomain<typeof notifications, PrismaClient, { identity: typeof identity }>({
  contract: notifications,
  data: { directory: join(import.meta.dirname, '../prisma'), globalTables: {} },
  prisma: (adapter) => new PrismaClient({ adapter }),
  uses: { identity },
  calls: () => ({ emails: listEmails }),
  flags: [outgoingEmail],
  graphql,
  emits: [EmailQueued],
  handlers,
})
