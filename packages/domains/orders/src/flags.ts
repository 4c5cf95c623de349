import { defineFlag } from '@offshoot/flags'

export const mergedLines = defineFlag({
  key: 'orders.merged-lines',
  kind: 'release',
  default: false,
  owner: 'orders',
  since: '2026-11-25',
  expires: '2027-03-01',
  description:
    'A product on several lines of a request is ordered once, in the sum of their quantities. Off: it is refused.',
})
