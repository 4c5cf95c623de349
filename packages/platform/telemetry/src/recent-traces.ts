import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace'

/** The last traces of this process, in memory. */
export class RecentTraces implements SpanProcessor {
  readonly #spans = new Map<string, ReadableSpan[]>()
  readonly #most: number

  constructor(most = 200) {
    this.#most = most
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    const { traceId } = span.spanContext()
    const spans = this.#spans.get(traceId) ?? []
    this.#spans.set(traceId, [...spans, span].slice(0, 1_000))
    for (const oldest of this.#spans.keys()) {
      if (this.#spans.size <= this.#most) break
      this.#spans.delete(oldest)
    }
  }

  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}
}
