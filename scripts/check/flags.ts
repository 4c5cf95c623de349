import { type FlagRegistry, isStale } from '@offshoot/flags/runtime'
import type { Problem, Source } from './workspace.ts'

/** A declaration: `export const mergedLines = defineFlag({ … key: 'orders.merged-lines'`. */
const declaration = /export const (\w+) = defineFlag\(\{[^}]*?\bkey: '([^']+)'/g

/**
 * Flags are for a time and for a purpose: whatever is declared is listed by its domain, asked for, and not stale, and both sides of a release are tested. `day` is
 * today.
 */
export function checkFlags(
  registry: FlagRegistry,
  sources: readonly Source[],
  day = new Date().toISOString().slice(0, 10),
): Problem[] {
  const domainSources = sources.filter(({ path }) => /^packages\/domains\//.test(path))
  return domainSources.flatMap(({ path, text }) => {
    if (path.includes('/test/')) return []
    const own = path.split('/', 3).join('/')
    const others = domainSources.filter((source) => source.path !== path && source.path.startsWith(`${own}/`))
    return [...text.matchAll(declaration)].flatMap((match) => {
      const [, name = '', key = ''] = match
      const line = text.slice(0, match.index).split('\n').length
      const problem = (message: string) => ({ file: path, line, message: `${key} ${message}` })
      const uses = (inTests: boolean, pattern: RegExp) =>
        others.some((source) => source.path.includes('/test/') === inTests && pattern.test(source.text))
      const flag = registry.get(key)
      if (!flag) return [problem(`is not listed by its domain: defineDomain({ flags: [${name}] })`)]
      return [
        isStale(flag, day) &&
          problem(`is stale since ${flag.expires}: ${flag.owner} removes it, or says until when it is needed`),
        !uses(false, new RegExp(`\\b(isEnabled|variant)\\(\\s*${name}\\b`)) &&
          problem('is asked for by nobody: remove it'),
        flag.kind === 'release' &&
          !uses(true, new RegExp(`\\bbothSides\\(\\s*${name}\\s*\\)`)) &&
          problem(`is tested on one side at most: describe.each(bothSides(${name}))`),
        flag.kind === 'kill-switch' &&
          !uses(true, new RegExp(`\\bflags\\.set\\(\\s*${name}\\s*,\\s*false\\b`)) &&
          problem(`is never switched off by a test: flags.set(${name}, false)`),
      ].filter((found) => found !== false)
    })
  })
}
