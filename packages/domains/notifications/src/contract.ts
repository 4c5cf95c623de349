import { defineEvent } from '@offshoot/events'
import { defineContract, id, page, pageInput, query, Timestamp, UserId } from '@offshoot/rpc'
import { z } from 'zod'

export const EmailId = id('EmailId')
export type EmailId = z.infer<typeof EmailId>

export const EmailTemplate = z.enum(['order-confirmed', 'order-cancelled', 'stock-low'])
export type EmailTemplate = z.infer<typeof EmailTemplate>

/** `SKIPPED`: the person had left before it was sent. `REFUSED`: the mail server says that there is no such address. */
export const EmailStatus = z.enum(['QUEUED', 'SENT', 'SKIPPED', 'REFUSED'])
export type EmailStatus = z.infer<typeof EmailStatus>

/** A mail to one person about one event; neither the address nor the text is kept. */
export const Email = z.object({
  id: EmailId,
  template: EmailTemplate,
  user: UserId,
  status: EmailStatus,
  createdAt: Timestamp,
  sentAt: Timestamp.nullable(),
})
export type Email = z.infer<typeof Email>

export const notifications = defineContract('notifications', {
  actions: { 'email:read': ['owner', 'admin'] },
  calls: {
    /** Newest first. `after` is a position in time and is not looked up. */
    emails: query({ action: 'email:read', input: pageInput({}), output: page(Email) }),
  },
})

/** A mail is to be sent. */
export const EmailQueued = defineEvent('notifications.EmailQueued', {
  version: 1,
  aggregate: 'email',
  key: ({ emailId }) => emailId,
  data: z.object({ emailId: EmailId }),
})
