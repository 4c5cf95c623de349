import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { root } from './database.ts'

/** What Vitest's JSON reporter writes, as far as it is read here. */
export interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { name: string; status: string; message: string; assertionResults: Assertion[] }[]
}

interface Assertion {
  status: string
  fullName: string
  failureMessages: string[]
}

/** What tests came to; `broken` has a line for each that failed: where, which, and the first line of why. */
export interface Figures {
  passed: number
  failed: number
  skipped: number
  broken: string[]
}

/** The figures of the last run, for programs. */
const SUMMARY = join(root, '.reports/tests.json')

export const forgetSummary = () => rmSync(SUMMARY, { force: true })

export function writeSummary(figures: Figures) {
  mkdirSync(dirname(SUMMARY), { recursive: true })
  writeFileSync(SUMMARY, JSON.stringify(figures))
}

export function reportAt(path: string): Report | undefined {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

export function figuresOf(report: Report): Figures {
  const files = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  )
  const tests = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages: [why = ''] }) => `${relative(name)}: ${fullName}: ${firstLine(why)}`),
  )
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + files.length,
    skipped: report.numPendingTests + report.numTodoTests,
    broken: [
      ...files.map(({ name, message }) => `${relative(name)}: could not be run: ${firstLine(message)}`),
      ...tests,
    ],
  }
}

const firstLine = (text: string) => stripVTControlCharacters(text).split('\n', 1)[0]!.slice(0, 240)

const relative = (file: string) => file.slice(root.length + 1)
