/** Which events there are, who emits them and who handles them: read from the domains themselves. */
import type { EventType, Handler } from '@offshoot/events'
import { flagRegistry, startFlags } from '@offshoot/flags/runtime'
import { createLogger, type Domain, type Platform } from '@offshoot/host'
import { catchingMailer } from '@offshoot/mail'

/** Handlers as they are outside of a process that serves: what they would need there is not there. */
export function handlersOf(domain: Domain, log = createLogger({ level: 'silent', production: true })) {
  const platform: Platform = {
    secret: 'of nobody, nowhere',
    publicUrl: 'http://localhost',
    production: true,
    mailer: catchingMailer('nobody@offshoot.test'),
    actions: {},
    flags: startFlags({ registry: flagRegistry([domain]), environment: 'none', log }),
    log,
  }
  return domain.definition.handlers?.(platform) ?? []
}

interface Entry {
  event: EventType
  /** `catalog.reserve-stock` */
  handlers: string[]
}

function entries(domains: readonly Domain[]): Entry[] {
  const handlers: { domain: string; handler: Handler }[] = domains.flatMap((domain) =>
    handlersOf(domain).map((handler) => ({ domain: domain.name, handler })),
  )
  return domains
    .flatMap(({ definition }) => definition.emits ?? [])
    .map((event) => ({
      event,
      handlers: handlers
        .filter(({ handler }) => handler.reactions.some((reaction) => reaction.event.name === event.name))
        .map(({ domain, handler }) => `${domain}.${handler.name}`)
        .sort(),
    }))
    .sort((a, b) => (a.event.name < b.event.name ? -1 : 1))
}

/** The page `docs/events.md`. */
export function eventCatalog(domains: readonly Domain[]): string {
  const rows = entries(domains).map(({ event, handlers }) => [
    `\`${event.name}\``,
    String(event.version),
    event.aggregate,
    event.source,
    handlers.map((name) => `\`${name}\``).join(', ') || 'nobody',
  ])
  const table = [['event', 'version', 'about', 'emitted by', 'handled by'], ['-', '-', '-', '-', '-'], ...rows]
  return `# Events

What happens in one domain and what others do about it. Written by \`npm run events -- catalog --write\` from the contracts and the handlers; \`npm run check\` compares.
Events of one thing (\`about\`) are handled in their order, by each handler once.

${table.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}
`
}

/** What cannot be right: events that are handled and that nobody emits, and domains that emit what is not theirs. */
export function eventProblems(domains: readonly Domain[]): string[] {
  const emitted = new Set(domains.flatMap(({ definition }) => definition.emits?.map(({ name }) => name) ?? []))
  return domains.flatMap((domain) => [
    ...(domain.definition.emits ?? [])
      .filter(({ source }) => source !== domain.name)
      .map(({ name }) => `${domain.name} lists ${name} under \`emits\`, which is another domain's`),
    ...handlersOf(domain).flatMap(({ name, reactions }) =>
      reactions
        .filter(({ event }) => !emitted.has(event.name))
        .map(({ event }) => `${domain.name}.${name} handles ${event.name}, which no domain lists under \`emits\``),
    ),
  ])
}
