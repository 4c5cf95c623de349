import nodemailer from 'nodemailer'

export interface Mail {
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

/** Sends through the SMTP server at `url` (`smtps://user:password@host`). */
export function smtpMailer(url: string, from: string): Mailer {
  const transport = nodemailer.createTransport({ url, connectionTimeout: 5_000, greetingTimeout: 5_000, socketTimeout: 10_000 })
  return {
    caught: null,
    async send(mail) {
      await transport.sendMail({ from, ...mail })
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
      await transport.sendMail({ from, ...mail })
      caught.unshift({ ...mail, at: new Date().toISOString() })
      caught.length = Math.min(caught.length, kept)
    },
  }
}
