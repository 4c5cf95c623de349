import { readFileSync } from 'node:fs'
import { type Domain, demo } from '@offshoot/host'
import { type RequestHandler, Router } from 'express'
import { escapeHtml, page } from './page.ts'

const script = readFileSync(new URL('home-page.client.js', import.meta.url), 'utf8')

/** `/`: what runs where; in development also a picker of demo users, so that one sees what each tenant gets to see. */
export function homePage({ domains, production }: { domains: readonly Domain[]; production: boolean }): RequestHandler {
  const rows = domains.map(({ name }) => `<tr><td>${escapeHtml(name)}</td><td>this process (gateway)</td></tr>`)
  const about = `<h1>Offshoot</h1>
<p>A multi-tenant product. The API is <code>POST /graphql</code>.</p>
<h2>What runs where</h2>
<table><tr><th>domain</th><th>runs in</th></tr>${rows.join('')}</table>`
  const html = production ? page('Running', about) : page('Running', about + picker(), '/home-page.js')

  const router = Router()
  router.get('/', (_, response) => void response.send(html))
  if (!production) router.get('/home-page.js', (_, response) => void response.type('text/javascript').send(script))
  return router
}

function picker(): string {
  const users = demo.users.map(({ email }) => `<button data-email="${email}">${email}</button>`)
  const tenants = demo.tenants.map(
    ({ slug, name }) => `<article data-tenant="${slug}"><strong>${name}</strong><div>Sign in first.</div></article>`,
  )
  return `
<p><a href="/graphql">GraphiQL</a> · <a href="/dev/mail">mail</a> · <a href="/readyz">readiness</a></p>
<h2>Who sees what</h2>
<p>Sign in as a demo user with one click (password <code data-password>${demo.password}</code>):</p>
<p>${users.join('')}</p>
<p data-me></p>
<div class="tenants">${tenants.join('')}</div>`
}
