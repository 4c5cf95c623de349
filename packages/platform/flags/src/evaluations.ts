import { count, type LabelsOf, recordedSpan, type spanEvents } from '@offshoot/telemetry'
import type { Flag } from './flag.ts'

/** Why an answer is what it is, in the words of the semantic conventions. */
export type Reason = 'static' | 'split' | 'targeting_match' | 'disabled' | 'default' | 'error'

/** An answer of a flag, given for a reason. There are few of them, however often they are given. */
export interface Evaluation {
  readonly value: boolean | string
  readonly labels: Readonly<LabelsOf<'offshoot.flag.evaluations'>>
  /** How often it was given and not counted yet. */
  given: number
}

export interface Evaluations {
  of(flag: Flag, value: boolean | string, reason: Reason): Evaluation
  /** It was given now: that is counted, and stands on the span that is under way, once. */
  give(evaluation: Evaluation): void
  stop(): void
}

const event: keyof typeof spanEvents = 'feature_flag.evaluation'

/** Tells telemetry what flags answer. To count takes longer than to answer, so that answers are counted together, once a second. */
export function openEvaluations(provider: () => string): Evaluations {
  const all = new Map<string, Evaluation>()
  const seen = new WeakMap<object, Set<Evaluation>>()
  function countAll(): void {
    for (const evaluation of all.values()) {
      if (evaluation.given > 0) count('offshoot.flag.evaluations', evaluation.labels, evaluation.given)
      evaluation.given = 0
    }
  }
  const timer = setInterval(countAll, 1_000).unref()

  function note(evaluation: Evaluation): void {
    const span = recordedSpan()
    if (!span) return
    const before = seen.get(span) ?? new Set()
    if (before.has(evaluation)) return
    seen.set(span, before.add(evaluation))
    span.addEvent(event, { ...evaluation.labels, 'feature_flag.provider.name': provider() })
  }

  return {
    of(flag, value, reason) {
      const key = JSON.stringify([flag.key, value, reason])
      let found = all.get(key)
      if (!found) {
        const labels = {
          'feature_flag.key': flag.key,
          'feature_flag.result.variant': typeof value === 'string' ? value : value ? 'on' : 'off',
          'feature_flag.result.reason': reason,
        }
        found = { value, labels, given: 0 }
        all.set(key, found)
      }
      return found
    },
    give(evaluation) {
      evaluation.given++
      note(evaluation)
    },
    stop() {
      clearInterval(timer)
      countAll()
    },
  }
}
