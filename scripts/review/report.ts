import { anchorOf } from '../check/docs.ts'

/** A part of the review: what to look at, and how to read it. */
export interface Section {
  title: string
  /** What the table tells, and what to ask about it. */
  reading: string
  columns: readonly string[]
  rows: readonly (readonly (string | number)[])[]
  /** What is said where there are no rows. */
  otherwise: string
  /** What of it asks for a decision, in one sentence; nothing where all is as it should be. */
  finding?: string | false
}

/** What the meeting is about: what asks for a decision, then everything that it is read from. */
export function page(title: string, about: string, sections: readonly Section[]): string {
  const findings = sections.flatMap(({ title, finding }) =>
    finding ? [`- ${finding} ([${title}](#${anchorOf(title)}))`] : [],
  )
  const agenda = findings.length > 0 ? findings.join('\n') : 'Nothing asks for a decision.'
  return [`# ${title}\n`, `${about}\n`, `## To decide\n\n${agenda}\n`, ...sections.map(markdown)].join('\n')
}

export function markdown({ title, reading, columns, rows, otherwise }: Section): string {
  const line = (cells: readonly (string | number)[]) =>
    `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')).join(' | ')} |`
  const table =
    rows.length === 0 ? otherwise : [line(columns), line(columns.map(() => '-')), ...rows.map(line)].join('\n')
  return `## ${title}\n\n${reading}\n\n${table}\n`
}

export const percent = (share: number) => `${(share * 100).toFixed(share < 0.01 ? 2 : 0)} %`
