import { defineFlag } from '@offshoot/flags'

export const outgoingEmail = defineFlag({
  key: 'notifications.outgoing-email',
  kind: 'kill-switch',
  default: true,
  owner: 'notifications',
  since: '2026-11-25',
  expires: null,
  description: 'Mails go out. Off: they wait, and go when it is on again.',
})
