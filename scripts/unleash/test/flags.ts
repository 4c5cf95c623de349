import { defineFlag } from '@offshoot/flags'
import { flagRegistry, startFlags } from '@offshoot/flags/runtime'

const about = { owner: 'shop', since: '2026-11-25', description: 'For tests.' }
export const checkout = defineFlag({
  key: 'shop.checkout',
  kind: 'release',
  default: false,
  expires: '2999-01-01',
  ...about,
})
export const mail = defineFlag({ key: 'shop.mail', kind: 'kill-switch', default: true, expires: null, ...about })
export const layout = defineFlag({
  key: 'shop.layout',
  kind: 'experiment',
  default: false,
  expires: '2999-01-01',
  variants: ['list', 'cards'],
  ...about,
})
export const registry = flagRegistry([{ name: 'shop', definition: { flags: [checkout, mail, layout] } }])

/** The flags of a process of the product. */
export function start(server: { url: string; token: string; backup?: string }) {
  const logged: string[] = []
  const log = (details: object, message: string) => logged.push(`${message} ${JSON.stringify(details)}`)
  const flags = startFlags({
    registry,
    server: { ...server, reportEvery: 200 },
    environment: 'development',
    log: { info: log, warn: log },
  })
  return { ...flags, logged }
}
