import { EventEmitter } from 'node:events'
import type { UnleashConfig } from 'unleash-client'
import { type Feature, isSteady, type Segment, type State } from './feature.ts'

type Repository = NonNullable<UnleashConfig['repository']>

/**
 * The flags' state that Unleash's client evaluates. The client's own repository is not used: it forgets all flags when a server answers `{}`, asks no more
 * once a server has said 401 or 404, and knows nothing until its start-up is through.
 */
export class FlagRepository extends EventEmitter implements Repository {
  #features = new Map<string, Feature>()
  #segments = new Map<number, Segment>()
  #steady = new Map<string, boolean>()

  constructor(state: State) {
    super()
    this.replace(state)
  }

  /** Replaces everything at once: a check sees the whole of one state or the whole of the next. */
  replace(state: State): void {
    this.#features = new Map(state.features.map((feature) => [feature.name, feature]))
    this.#segments = new Map((state.segments ?? []).map((segment) => [segment.id, segment]))
    this.#steady = new Map()
  }

  /** Whether the answer may be kept until the state changes. */
  isSteady(name: string): boolean {
    let steady = this.#steady.get(name)
    if (steady === undefined) {
      const feature = this.#features.get(name)
      const all = {
        feature: (other: string) => this.#features.get(other),
        segment: (id: number) => this.#segments.get(id),
      }
      steady = feature !== undefined && isSteady(feature, all)
      this.#steady.set(name, steady)
    }
    return steady
  }

  feature(name: string): Feature | undefined {
    return this.#features.get(name)
  }

  getToggle(name: string): ReturnType<Repository['getToggle']> {
    return this.#features.get(name) as never
  }

  getToggles(): ReturnType<Repository['getToggles']> {
    return [...this.#features.values()] as never
  }

  getTogglesWithSegmentData(): ReturnType<Repository['getTogglesWithSegmentData']> {
    return this.getToggles() as never
  }

  getSegment(id: number): ReturnType<Repository['getSegment']> {
    return this.#segments.get(id) as never
  }

  async start(): Promise<void> {}

  stop(): void {}
}
