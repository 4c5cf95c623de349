import type { Mailer } from '@offshoot/mail'
import { Router } from 'express'
import { escapeHtml, page } from './page.ts'

/** Pages for development only: the mail that was caught instead of sent. */
export function devPages(mailer: Mailer): Router {
  const router = Router()
  router.get('/dev/mail', (request, response) => {
    const mails = mailer.caught ?? []
    if (request.accepts(['html', 'json']) === 'json') return void response.json(mails)
    const items = mails.map(
      ({ at, to, subject, text }) =>
        `<article><header><strong>${escapeHtml(subject)}</strong><br><small>to ${escapeHtml(to)}, ${escapeHtml(at)}</small></header><pre>${linked(escapeHtml(text))}</pre></article>`,
    )
    response.send(
      page(
        'Mail',
        `<h1>Mail</h1><p>Caught instead of sent, newest first. <a href="/dev/traces">Traces</a> show why.</p>${items.join('') || '<p>None yet.</p>'}`,
      ),
    )
  })
  return router
}

const linked = (escaped: string) => escaped.replace(/https?:\/\/[^\s<]+/g, (url) => `<a href="${url}">${url}</a>`)
