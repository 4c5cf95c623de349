import { catalogDomain } from '@offshoot/catalog'
import type { Domain } from '@offshoot/host'
import { identityDomain } from '@offshoot/identity'
import { ordersDomain } from '@offshoot/orders'

/** The domains that the gateway hosts, those that others rely on first: demo data is planted in this order. */
export const domains: readonly Domain[] = [identityDomain, catalogDomain, ordersDomain]
