interface Exporter<Batch, Result> {
  export(batch: Batch, done: (result: Result) => void): void
  forceFlush?(): Promise<void>
  shutdown(): Promise<void>
}

/** An exporter that is loaded when there is something to export: nobody's start waits for it. */
export function loadedLater<Batch, Result>(
  load: () => Promise<Exporter<Batch, Result>>,
): Exporter<Batch, Result> & { forceFlush(): Promise<void> } {
  let loading: Promise<Exporter<Batch, Result>> | undefined
  return {
    async export(batch, done) {
      loading ??= load()
      ;(await loading).export(batch, done)
    },
    async forceFlush() {
      await (await loading)?.forceFlush?.()
    },
    async shutdown() {
      await (await loading)?.shutdown()
    },
  }
}
