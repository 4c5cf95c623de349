/** A process that tells its parent whether the checkout flag is on, whenever that changes. */
import { checkout, start } from './flags.ts'

const [url = '', token = ''] = process.argv.slice(2)
const flags = start({ url, token })
let last: boolean | undefined
setInterval(() => {
  const now = flags.isEnabled(checkout, { tenant: 'acme' })
  if (flags.health().source === 'server' && now !== last) process.send!(now)
  last = flags.health().source === 'server' ? now : undefined
}, 5)
process.on('disconnect', () => process.exit(0))
