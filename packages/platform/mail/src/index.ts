import { endFailed, endSpan, errorType, record, startSpan } from '@offshoot/telemetry'
import nodemailer from 'nodemailer'

export interface Mail {
  /** One bare address: no name, no list. */
  to: string
  subject: string
  text: string
  /** Letters, digits and `.-`: what the mail is, so that one that is sent again, because nobody knows whether it arrived, is recognised (Message-ID, RFC 5322). */
  messageId?: string
}

/** A mail as it was caught, newest first in `caught`. */
export interface CaughtMail extends Mail {
  at: string
}

export interface Mailer {
  /** Hands a mail to the mail server; rejects when that refuses it. */
  send(mail: Mail): Promise<void>
  /** What was sent without leaving the machine; null when mail really leaves it. */
  readonly caught: readonly CaughtMail[] | null
}

/** An address without anything that a mail header gives a meaning to (RFC 5322 `specials` and white space); quoted local parts are not worth their risk. */
const bareAddress = /^[^\s@,;:<>()[\]"\\]+@[^\s@,;:<>()[\]"\\]+$/

/** Nodemailer reads `to` as a list, so that whoever chooses their own address could choose others' too. */
function message(from: string, { to, subject, text, messageId }: Mail) {
  if (to.length > 254 || !bareAddress.test(to))
    throw new Error('A mail is sent to one address, and this is not one mail address.')
  if (messageId !== undefined && !/^[A-Za-z0-9.-]{1,200}$/.test(messageId))
    throw new Error('A `messageId` is made of letters, digits, points and hyphens.')
  const domain = /@([^\s>]+)>?\s*$/.exec(from)?.[1] ?? 'localhost'
  return {
    from,
    to: { name: '', address: to },
    subject,
    text,
    messageId: messageId === undefined ? undefined : `<${messageId}@${domain}>`,
  }
}

/** Whether the mail server refused the address for good (a 5xx answer to RCPT TO, RFC 5321): to try again would be in vain. */
export function addressRefused(error: unknown): boolean {
  const { code, responseCode } = error as { code?: string; responseCode?: number }
  return code === 'EENVELOPE' && responseCode !== undefined && responseCode >= 500
}

/** Hands a mail over, within a span. What a mail server answers may name the address: of a failure its kind alone is told. */
async function handOver({ messageId }: Mail, send: () => Promise<unknown>): Promise<void> {
  const span = startSpan('mail.send', 'send mail', { attributes: { 'offshoot.mail.message_id': messageId } })
  const began = performance.now()
  const took = (failure: { 'error.type'?: string }) =>
    record('offshoot.mail.duration', (performance.now() - began) / 1_000, failure)
  try {
    await send()
    endSpan(span)
    took({})
  } catch (error) {
    endFailed(span, errorType(error))
    took({ 'error.type': errorType(error) })
    throw error
  }
}

/** Sends through the SMTP server at `url` (`smtps://user:password@host`). */
export function smtpMailer(url: string, from: string): Mailer {
  const transport = nodemailer.createTransport({
    url,
    connectionTimeout: 5_000,
    greetingTimeout: 5_000,
    socketTimeout: 10_000,
  })
  return {
    caught: null,
    async send(mail) {
      const written = message(from, mail)
      await handOver(mail, () => transport.sendMail(written))
    },
  }
}

const kept = 200

/** Catches mail instead of sending it, as development wants it: the last 200 are kept in memory, as nodemailer would have sent them. */
export function catchingMailer(from: string): Mailer {
  const transport = nodemailer.createTransport({ jsonTransport: true })
  const caught: CaughtMail[] = []
  return {
    caught,
    async send(mail) {
      const written = message(from, mail)
      await handOver(mail, () => transport.sendMail(written))
      caught.unshift({ ...mail, at: new Date().toISOString() })
      caught.length = Math.min(caught.length, kept)
    },
  }
}
