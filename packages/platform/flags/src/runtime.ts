import { hostname } from 'node:os'
import type { Context } from 'unleash-client'
import client from 'unleash-client/lib/client.js'
import { defaultStrategies } from 'unleash-client/lib/strategy/index.js'
import { openBackup } from './backup.ts'
import { type Evaluation, openEvaluations } from './evaluations.ts'
import { bootstrap, reasonFor, type State } from './feature.ts'
import type { Flag, FlagRegistry } from './flag.ts'
import type { BoundFlags, FlagContext, Flags, FlagsHealth } from './flags.ts'
import { FlagRepository } from './repository.ts'
import { watchServer } from './server.ts'
import { reportUsage } from './usage.ts'

export { bootstrap, type Feature, feature, rollout, State } from './feature.ts'
export { type FlagRegistry, flagRegistry, isStale } from './flag.ts'
export type { Flags, FlagsHealth } from './flags.ts'

export interface FlagsOptions {
  registry: FlagRegistry
  /** The Unleash server that says how flags stand. Without one each has its default. */
  server?: {
    /** Where its API is: `https://unleash.example.com/api`. */
    url: string
    /** A backend token; it belongs to one of the server's environments. */
    token: string
    /** Where the last known state is kept for the next start; in memory only when nothing is said. */
    backup?: string
    /** How long after an answer the server is asked again, in ms. Default 500: it takes up to a second to notice a change itself. */
    every?: number
    /** How often the server is told which flags were asked for, in ms. Default 60,000. */
    reportEvery?: number
  }
  /** What constraints by environment are compared with. */
  environment: string
  log: { info(details: object, message: string): void; warn(details: object, message: string): void }
}

const appName = 'offshoot'
/** How long the server may be silent before the flags count as degraded, in ms. */
const longestSilence = 5_000
/** Contexts whose answers are kept. */
const mostContexts = 10_000

/**
 * Starts the flags of a process. Never waits for a server and never throws because of one: until it has answered, the state of the last time holds, or else the
 * defaults; when it falls silent, what it said last. A change there is in force here about a second later.
 */
export function startFlags(options: FlagsOptions): Flags & { replace(state: State): void } {
  const { registry, server, environment, log } = options
  const defaults = bootstrap(registry.values())
  const backup = server?.backup === undefined ? undefined : openBackup(server.backup, server)
  const kept = backup?.read()
  const repository = new FlagRepository(kept ?? defaults)
  // The client's evaluation alone: its package as a whole takes 150 ms to load, for a way to ask that is not used here.
  const unleash = new client.default(repository, defaultStrategies)
  const warned = new Set<string>()
  /** Once for each thing: a flag may be asked for a thousand times a second. */
  function warn(details: object, message: string): void {
    const key = JSON.stringify([details, message])
    if (warned.has(key) || warned.size > 1_000) return
    warned.add(key)
    log.warn(details, message)
  }
  for (const event of ['warn', 'error'])
    unleash.on(event, (problem: unknown) => warn({ problem: String(problem) }, 'flags: a flag is not as it should be'))

  const source = new Source(kept ? 'backup' : 'bootstrap', server !== undefined)
  const watch =
    server &&
    watchServer({
      url: server.url,
      token: server.token,
      appName,
      every: server.every ?? 500,
      onState(state) {
        replace(state)
        source.is = 'server'
        if (backup && !backup.write(state)) warn({}, 'flags: the last known state cannot be kept on disk')
        const missing = [...registry.keys()].filter((key) => !repository.feature(key))
        if (missing.length > 0) warn({ missing }, 'flags: the server does not have these; their defaults hold')
      },
      onOutcome(failure) {
        const before = source.failure
        source.note(failure)
        if (failure !== undefined && failure !== before)
          log.warn(
            { reason: failure, state: source.is },
            'flags: the Unleash server cannot be used; the last known state holds',
          )
        else if (failure === undefined && before !== undefined) log.info({}, 'flags: the Unleash server works again')
      },
    })

  const usage =
    server &&
    reportUsage({
      url: server.url,
      token: server.token,
      appName,
      instanceId: `${hostname()}-${process.pid}`,
      every: server.reportEvery ?? 60_000,
    })

  const evaluations = openEvaluations(() => (source.is === 'bootstrap' ? 'bootstrap' : 'unleash'))
  /** What was answered for a context, until the state changes. */
  let answers = new Map<string, Map<string, Evaluation>>()
  function replace(state: State): void {
    repository.replace(state)
    answers = new Map()
  }

  function answersFor(key: string): Map<string, Evaluation> {
    let found = answers.get(key)
    if (!found) {
      if (answers.size >= mostContexts) answers = new Map()
      found = new Map()
      answers.set(key, found)
    }
    return found
  }

  function check<Answer extends boolean | string>(
    flag: Flag,
    what: 'flag' | 'variant',
    { tenant, user, plan }: FlagContext,
  ): Answer {
    const known = answersFor(`${tenant ?? ''}\n${user ?? ''}\n${plan ?? ''}`)
    const name = what === 'flag' ? flag.key : `${flag.key}\n`
    let answer = known.get(name)
    if (answer === undefined) {
      // A rollout is sticky by tenant, and Unleash leaves out whoever has nothing to stick to, at 100 % too.
      const context = {
        userId: user ?? undefined,
        appName,
        environment,
        properties: { tenant: tenant ?? 'none', plan: plan ?? undefined },
      }
      answer = what === 'flag' ? evaluateFlag(flag, context) : evaluateVariant(flag, context)
      if (repository.isSteady(flag.key)) known.set(name, answer)
    }
    evaluations.give(answer)
    const { value } = answer
    if (what === 'flag') usage?.count(flag.key, value === true)
    else usage?.count(flag.key, repository.feature(flag.key)?.enabled ?? false, value as string)
    return value as Answer
  }

  function evaluateFlag(flag: Flag, context: Context): Evaluation {
    if (registry.get(flag.key) !== flag)
      throw new Error(`The flag ${flag.key} is not listed by its domain: defineDomain({ flags: […] }).`)
    const feature = repository.feature(flag.key)
    if (!feature) return evaluations.of(flag, flag.default, 'default')
    try {
      const on = unleash.isEnabled(flag.key, context, () => flag.default)
      return evaluations.of(flag, on, reasonFor(feature, on))
    } catch {
      warn({ flag: flag.key }, 'flags: its strategies cannot be evaluated; its default holds')
      return evaluations.of(flag, flag.default, 'error')
    }
  }

  function evaluateVariant(flag: Flag, context: Context): Evaluation {
    const [first] = flag.variants
    if (first === undefined) throw new Error(`The flag ${flag.key} has no variants.`)
    if (registry.get(flag.key) !== flag)
      throw new Error(`The flag ${flag.key} is not listed by its domain: defineDomain({ flags: […] }).`)
    try {
      const { name, enabled } = unleash.getVariant(flag.key, context)
      const reason = reasonFor(repository.feature(flag.key), enabled, 'variant')
      if (!enabled) return evaluations.of(flag, first, reason)
      if (flag.variants.includes(name)) return evaluations.of(flag, name, reason)
      warn({ flag: flag.key }, 'flags: the server has a variant that the code does not know; the first one is used')
    } catch {
      warn({ flag: flag.key }, 'flags: its strategies cannot be evaluated; its default holds')
    }
    return evaluations.of(flag, first, 'error')
  }

  return {
    isEnabled: (flag, context = {}) => check(flag, 'flag', context),
    variant: (flag, context = {}) => check(flag, 'variant', context),
    of: (context) =>
      bind(
        (flag) => check(flag, 'flag', context),
        (flag) => check(flag, 'variant', context),
      ),
    state: (flag) => repository.feature(flag.key),
    health: () => source.health(),
    replace,
    stop() {
      watch?.stop()
      usage?.stop()
      evaluations.stop()
    },
  }
}

/** Within one unit of work a flag does not change: what began on one side ends on it. */
function bind(isEnabled: (flag: Flag) => boolean, variant: (flag: Flag) => string): BoundFlags {
  const seen = new Map<string, boolean | string>()
  function once<Answer extends boolean | string>(name: string, flag: Flag, ask: (flag: Flag) => Answer): Answer {
    let answer = seen.get(name) as Answer | undefined
    if (answer === undefined) {
      answer = ask(flag)
      seen.set(name, answer)
    }
    return answer
  }
  return {
    isEnabled: (flag) => once(flag.key, flag, isEnabled),
    variant: (flag) => once(`${flag.key}\n`, flag, variant) as never,
  }
}

/** Where the state in force is from, and how the server that should say it is doing. */
class Source {
  is: FlagsHealth['source']
  failure: string | undefined
  #expected: boolean
  #answered = Number.NEGATIVE_INFINITY

  constructor(is: FlagsHealth['source'], expected: boolean) {
    this.is = is
    this.#expected = expected
  }

  note(failure: string | undefined): void {
    this.failure = failure
    if (failure === undefined) this.#answered = performance.now()
  }

  health(): FlagsHealth {
    const server = this.#expected
    if (!server) return { server, status: 'up', source: this.is }
    const silent = performance.now() - this.#answered > longestSilence
    if (this.failure === undefined && !silent) return { server, status: 'up', source: this.is }
    return { server, status: 'degraded', source: this.is, reason: this.failure ?? 'does not answer' }
  }
}
