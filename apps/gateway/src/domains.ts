import { catalogDomain } from '@offshoot/catalog'
import type { Domain } from '@offshoot/host'
import { identityDomain } from '@offshoot/identity'
import { ordersDomain } from '@offshoot/orders'
import { transport } from '@offshoot/data/migrate'

/** The domains that the gateway hosts, those that others rely on first: demo data is planted in this order. */
export const domains: readonly Domain[] = [identityDomain, catalogDomain, ordersDomain]

/** Everything that has a database of its own to be configured: the domains, and what carries events between them. */
export const databases: readonly string[] = [...domains.map(({ name }) => name), transport]
