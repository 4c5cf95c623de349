/**
 * A queue of queues: what waits is served in turns by key, each key's own items in order, so that one tenant's thousand waiting
 * statements delay another tenant's one by a single place.
 */
export class FairQueue<Item> {
  readonly #queues = new Map<string, Item[]>()

  push(key: string, item: Item): void {
    const queue = this.#queues.get(key)
    if (queue) queue.push(item)
    else this.#queues.set(key, [item])
  }

  /** Takes the next item of the first key, in turn, that `ready` accepts. */
  shift(ready: (key: string) => boolean): Item | undefined {
    for (const [key, queue] of this.#queues) {
      if (!ready(key)) continue
      const item = queue.shift()
      this.#queues.delete(key)
      if (queue.length > 0) this.#queues.set(key, queue) // to the end of the turn
      return item
    }
    return undefined
  }

  /** Takes out an item that need not be served any more. */
  remove(key: string, item: Item): boolean {
    const queue = this.#queues.get(key)
    const at = queue?.indexOf(item) ?? -1
    if (!queue || at < 0) return false
    queue.splice(at, 1)
    if (queue.length === 0) this.#queues.delete(key)
    return true
  }

  has(key: string): boolean {
    return this.#queues.has(key)
  }

  get keys(): number {
    return this.#queues.size
  }

  /** How much waits, whoever's it is. */
  get size(): number {
    let size = 0
    for (const queue of this.#queues.values()) size += queue.length
    return size
  }
}
