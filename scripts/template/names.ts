import { isBuiltin } from 'node:module'
import { Refusal } from '../refusal.ts'

/** The longest name of a product: with that of a domain it must fit into an identifier of PostgreSQL, 63 bytes. */
const LONGEST = 24

/** Whether a product can be called so: as a scope of npm, a host, a database, a container. `scopes` belong to others. */
export function assertName(name: string, template: string, scopes: ReadonlySet<string>): void {
  const refuse = (code: string, why: string) => {
    throw new Refusal(code, `A product cannot be called ${JSON.stringify(shortened(name))}: ${why}.`)
  }
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    refuse('INVALID_NAME', 'a name is of lower-case words and digits, with one hyphen between them, like acme-cloud')
  if (name.length > LONGEST) refuse('INVALID_NAME', `a name has at most ${LONGEST} characters`)
  if (`-${name}-`.includes(`-${template}-`)) refuse('RESERVED_NAME', 'that is what the template is called')
  if (['acme', 'globex'].includes(name)) refuse('RESERVED_NAME', 'tenants of the demo data are called so')
  if (isBuiltin(name)) refuse('RESERVED_NAME', 'Node has a module of that name')
  if (scopes.has(name)) refuse('RESERVED_NAME', `others have published below @${name}`)
}

const shortened = (name: string) => (name.length > 40 ? `${name.slice(0, 40)}…` : name)
