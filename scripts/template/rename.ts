/**
 * A product's name is written in five ways, and what surrounds it tells which one is meant:
 *
 * | written | where | of `acme-cloud` |
 * |---|---|---|
 * | `Offshoot` | in prose and titles | Acme Cloud |
 * | `Offshoot-Tenant` | headers | Acme-Cloud |
 * | `OFFSHOOT_WARM` | environment variables | ACME_CLOUD |
 * | `offshoot_session`, `offshoot.lane.count` | cookies, SQL, metrics, attributes: wherever an identifier goes on with `_` or `.` | acme_cloud |
 * | `offshoot` | everything else: scope, package, host, file, container, job, temporary directories | acme-cloud |
 *
 * Every place is renamed, by its text alone, so that the same function makes the same of the same words in every version of the template. That is what
 * lets an upgrade be merged.
 */

interface Forms {
  title: string
  header: string
  constant: string
  snake: string
  kebab: string
}

function formsOf(name: string): Forms {
  const words = name.split('-')
  const capitals = words.map((word) => word[0]!.toUpperCase() + word.slice(1))
  return {
    title: capitals.join(' '),
    header: capitals.join('-'),
    constant: words.join('_').toUpperCase(),
    snake: words.join('_'),
    kebab: name,
  }
}

/** `acme-cloud` as people read it: Acme Cloud. */
export const titleOf = (name: string) => formsOf(name).title

/** A function that renames a product, in text and in paths. Words that merely contain the name stay. */
export function renaming(from: string, to: string): (text: string) => string {
  const [old, its] = [formsOf(from), formsOf(to)]
  const rules: [RegExp, string][] = [
    [word(old.constant), its.constant],
    [word(old.header, '', '(?=-[A-Z])'), its.header],
    [word(old.title), its.title],
    [word(old.snake, '(?<=_)'), its.snake],
    [word(old.snake, '', '(?=_)'), its.snake],
    // A name with dots, or the expression for one; not a host, a file or what an address goes on with.
    [word(old.snake, '(?<![@/.-])', '(?=\\\\?\\.[a-z*\'"`])'), its.snake],
    ...(old.snake === old.kebab ? [] : ([[word(old.snake), its.snake]] as [RegExp, string][])),
    [word(old.kebab), its.kebab],
  ]
  return (text) => rules.reduce((renamed, [form, instead]) => renamed.replaceAll(form, instead), text)
}

const word = (form: string, before = '', after = '') =>
  new RegExp(`(?<![A-Za-z0-9])${before}${form}${after}(?![A-Za-z0-9])`, 'g')

/** The dependencies of a `package.json`, or of a lockfile of pnpm, by name: as pnpm has them, whatever their names were before. */
export function sortDependencies(path: string, text: string): string {
  if (/(^|\/)package\.json$/.test(path)) {
    return text.replaceAll(/(?<=ependencies": \{\n)[^}]+(?=\n {2}\})/g, (entries) => {
      const lines = entries.split('\n').map((line) => line.replace(/,$/, ''))
      return lines.sort().join(',\n')
    })
  }
  if (path !== 'pnpm-lock.yaml') return text
  return text.replaceAll(/(?<=^ {4}\w*ependencies:\n)( {6,}.*\n)+/gm, (entries) =>
    entries
      .split(/(?<=\n)(?= {6}\S)/)
      .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
      .join(''),
  )
}

const keyOf = (entry: string) => /^ *'?([^':]+)/.exec(entry)![1]!
