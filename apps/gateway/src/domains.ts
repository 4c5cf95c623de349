import { billingDomain } from '@offshoot/billing'
import { catalogDomain } from '@offshoot/catalog'
import { transport } from '@offshoot/data/migrate'
import type { Domain } from '@offshoot/host'
import { identityDomain } from '@offshoot/identity'
import { insightsDomain } from '@offshoot/insights'
import { notificationsDomain } from '@offshoot/notifications'
import { ordersDomain } from '@offshoot/orders'

/** The domains that the gateway hosts, those that others rely on first: demo data is planted in this order. */
export const domains: readonly Domain[] = [
  identityDomain,
  catalogDomain,
  ordersDomain,
  billingDomain,
  notificationsDomain,
  insightsDomain,
]

/** Everything that has a database of its own to be configured: the domains, and what carries events between them. */
export const databases: readonly string[] = [...domains.map(({ name }) => name), transport]
