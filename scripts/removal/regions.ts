/**
 * Marks for what goes along with a domain where the code does not tell: a comment `#region with <domain>, …` and a comment `#endregion` around it, each on a line of its
 * own. What is between them is there as long as all of these domains are. A region without an end is the rest of the file, so that one in the first line is all of it.
 */

const comment = (words: string) => new RegExp(`^\\s*(?://|#|--|<!--)\\s*${words}\\s*(?:-->)?\\s*$`)
const begin = comment('#region with ([\\w-]+(?:, [\\w-]+)*)')
const otherBegin = comment('#region\\b.*')
const end = comment('#endregion\\b.*')

/** The text without what goes along with the domains; undefined when nothing of it is left, null when nothing goes. */
export function withoutRegions(text: string, domains: ReadonlySet<string>): string | undefined | null {
  if (!text.includes('#region with ')) return null
  const kept: string[] = []
  /** Of the regions that are open: whether they go. */
  const open: boolean[] = []
  let changed = false
  let justClosed = false
  for (const line of text.split('\n')) {
    const [, names] = begin.exec(line) ?? []
    if (names !== undefined || otherBegin.test(line))
      open.push(names?.split(', ').some((name) => domains.has(name)) ?? false)
    const goes = open.includes(true)
    if (end.test(line)) open.pop()
    if (goes) changed = true
    else if (!justClosed || line !== '' || kept.at(-1) !== '') kept.push(line) // one blank line where a paragraph was
    justClosed = goes && !open.includes(true)
  }
  if (!changed) return null
  const rest = kept.join('\n')
  return rest.trim() === '' ? undefined : rest.replace(/\n*$/, '\n')
}
