import nodemailer from 'nodemailer'

export interface Mail {
  /** One bare address: no name, no list. */
  to: string
  subject: string
  text: string
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
function message(from: string, { to, subject, text }: Mail) {
  if (to.length > 254 || !bareAddress.test(to))
    throw new Error('A mail is sent to one address, and this is not one mail address.')
  return { from, to: { name: '', address: to }, subject, text }
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
      await transport.sendMail(message(from, mail))
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
      await transport.sendMail(message(from, mail))
      caught.unshift({ ...mail, at: new Date().toISOString() })
      caught.length = Math.min(caught.length, kept)
    },
  }
}
