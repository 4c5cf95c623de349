import type { Recording } from '@offshoot/telemetry/testing'

export type Span = ReturnType<Recording['spans']>[number]

/**
 * A trace as an indented text: a line for each span, below what it is part of, in the order in which they began. Left out is the caller's side
 * of calls, which is there when domains run apart.
 */
export function treeOf(trace: readonly Span[]): string {
  const spans = new Map(trace.map((span) => [span.spanContext().spanId, span]))
  const parentOf = ({ parentSpanContext }: Span): string | undefined => {
    const parent = spans.get(parentSpanContext?.spanId ?? '')
    if (!parent) return parentSpanContext?.spanId
    return isCall(parent) ? parentOf(parent) : parent.spanContext().spanId
  }
  const below = Map.groupBy(
    trace.filter((span) => !isCall(span)),
    parentOf,
  )
  const lines = (parent: string | undefined, indent: string): string[] =>
    inOrder(below.get(parent) ?? []).flatMap((span) => [
      indent + labelOf(span),
      ...lines(span.spanContext().spanId, `${indent}  `),
    ])
  return lines(undefined, '').join('\n')
}

export const isCall = ({ name }: Span) => name.startsWith('call ')

function labelOf({ name, attributes }: Span): string {
  const handler = attributes['messaging.consumer.group.name']
  return handler ? `${name}: ${handler}` : name
}

/** Whoever handles an event does not wait for others, nor for the relay to know that it was sent. */
function inOrder(siblings: readonly Span[]): Span[] {
  return siblings.toSorted((a, b) =>
    isCarried(a) && isCarried(b)
      ? compare(labelOf(a), labelOf(b))
      : compare(a.spanContext().spanId, b.spanContext().spanId),
  )
}

const isCarried = ({ name }: Span) => /^(send|process) \w+\./.test(name)
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
