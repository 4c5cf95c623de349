import { readFileSync } from 'node:fs'
import { appOf, type Domain, demo, type Elsewhere, gateway, together } from '@offshoot/host'
import { type RequestHandler, Router } from 'express'
import { escapeHtml, page } from './page.ts'

const script = readFileSync(new URL('home-page.client.js', import.meta.url), 'utf8')

interface HomePageOptions {
  domains: readonly Domain[]
  elsewhere: Elsewhere | undefined
  production: boolean
}

/** `/`: what runs where; in development also a picker of demo users, so that one sees what each tenant gets to see. */
export function homePage({ domains, elsewhere, production }: HomePageOptions): RequestHandler {
  function rowOf({ name }: Domain): string {
    const app = appOf(elsewhere?.topology ?? together, name)
    const where = app === gateway ? 'this process (gateway)' : `a process of its own (${escapeHtml(app)})`
    return `<tr><td>${escapeHtml(name)}</td><td>${where}</td></tr>`
  }
  const about = () => `<h1>Offshoot</h1>
<p>A multi-tenant product. The API is <code>POST /graphql</code>.</p>
<h2>What runs where</h2>
<table><tr><th>domain</th><th>runs in</th></tr>${domains.map(rowOf).join('')}</table>`
  const html = () => (production ? page('Running', about()) : page('Running', about() + picker(), '/home-page.js'))

  const router = Router()
  router.get('/', (_, response) => void response.send(html()))
  if (!production) router.get('/home-page.js', (_, response) => void response.type('text/javascript').send(script))
  return router
}

function picker(): string {
  const users = demo.users.map(({ email }) => `<button data-email="${email}">${email}</button>`)
  const tenants = demo.tenants.map(
    ({ slug, name }) => `<article data-tenant="${slug}"><strong>${name}</strong><div>Sign in first.</div></article>`,
  )
  return `
<p><a href="/graphql">GraphiQL</a> · <a href="/dev/mail">mail</a> · <a href="/dev/traces">traces</a> · <a href="/readyz">readiness</a></p>
<h2>Who sees what</h2>
<p>Sign in as a demo user with one click (password <code data-password>${demo.password}</code>):</p>
<p>${users.join('')}</p>
<p data-me></p>
<div class="tenants">${tenants.join('')}</div>`
}
