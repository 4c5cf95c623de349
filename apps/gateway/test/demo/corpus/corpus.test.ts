// #region with catalog, orders, billing, notifications, insights
/**
 * However the product is divided, it answers with the same bytes: `TEST_TOPOLOGY` divides it, and `answers.txt` is the same for all. With `UPDATE_CORPUS=1`
 * in the environment of Vitest itself (`test/faults/corpus.fault.ts`, `FAULTS=1`) it is written anew; what changed in it is a change that clients see.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { problemCodes } from '@offshoot/rpc'
import { expect, it } from 'vitest'
import { publicSdl } from '../../../src/public-schema.ts'
import { testGateway } from '../../gateway.ts'
import { corpus } from './operations.ts'
import { record } from './recording.ts'

const file = join(import.meta.dirname, 'answers.txt')

it('every operation of the corpus is answered by the same bytes, in every topology', { timeout: 180_000 }, async () => {
  const gateway = await testGateway({ events: true })
  try {
    const answers = await record(gateway, corpus)
    if (process.env.UPDATE_CORPUS) writeFileSync(file, answers)
    const blocks = (text: string) => text.split(/^(?=── )/m)
    expect(blocks(answers)).toEqual(blocks(readFileSync(file, 'utf8')))
  } finally {
    await gateway.close()
  }
})

it('the corpus has operations enough, and errors of every code that can be provoked', () => {
  expect(corpus.flatMap(({ operations }) => operations).length).toBeGreaterThanOrEqual(150)
  const answers = readFileSync(file, 'utf8')
  const seen = problemCodes.filter((code) => answers.includes(`"code":"${code}"`))
  expect(problemCodes.filter((code) => !seen.includes(code))).toEqual(['RATE_LIMITED']) // nothing limits rates yet
})

it('the public schema is the one that is committed, in every topology', () => {
  expect(publicSdl()).toBe(readFileSync(join(import.meta.dirname, '../../../schema.graphql'), 'utf8'))
})
