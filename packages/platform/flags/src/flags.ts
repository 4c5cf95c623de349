import type { Feature } from './feature.ts'
import type { Flag } from './flag.ts'

/** For whom a flag is asked. */
export interface FlagContext {
  tenant?: string | null
  user?: string | null
  /** The plan of the tenant. Where it is not known, as in handlers and schedules, nothing holds that is for one plan only. */
  plan?: string | null
}

/** The flags for one context, as a unit of work gets them. */
export interface BoundFlags {
  /** Whether the flag is on. The same answer for the whole of the unit of work, whatever is switched meanwhile. */
  isEnabled(flag: Flag): boolean
  /** Which variant it is; the first one where the flag is off. */
  variant<Variant extends string>(flag: Flag<Variant>): Variant
}

/** The flags of a process. */
export interface Flags {
  /** Whether the flag is on, for this context and at this moment. Costs no more than a look-up. */
  isEnabled(flag: Flag, context?: FlagContext): boolean
  variant<Variant extends string>(flag: Flag<Variant>, context?: FlagContext): Variant
  /** For a unit of work. */
  of(context: FlagContext): BoundFlags
  /** How the flag stands, for people; undefined when the server does not have it. */
  state(flag: Flag): Feature | undefined
  health(): FlagsHealth
  stop(): void
}

/** `degraded`: there should be a server, and it does not answer as it should. Flags are answered all the same. */
export interface FlagsHealth {
  /** Whether there should be a server. */
  server: boolean
  status: 'up' | 'degraded'
  /** Where the state in force is from. */
  source: 'server' | 'backup' | 'bootstrap'
  reason?: string
}
