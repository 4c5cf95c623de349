import { problemCodes } from '@offshoot/rpc'
import { expect } from 'vitest'
import type { Answer } from './gateway.ts'

/** What is the same for every error: its form, and that it says nothing of how the product is made. */
export function expectWellFormed({ errors }: Pick<Answer, 'errors'>) {
  expect(errors?.length).toBeGreaterThan(0)
  for (const { extensions } of errors!) {
    expect(problemCodes).toContain(extensions.code)
    expect(extensions.reason).toMatch(/^[A-Z][A-Z_]+$/)
    expect(Object.keys(extensions).filter((key) => !['code', 'reason', 'data'].includes(key))).toEqual([])
  }
  expect(JSON.stringify(errors)).not.toMatch(
    /\\n +at |node_modules|\.ts\b|file:|SELECT |INSERT |prisma|postgres|tenant_id/i,
  )
}

export async function expectRefused(answer: Answer | Promise<Answer>, code: string, reason: string, status = 200) {
  const { status: got, errors, data } = await answer
  expectWellFormed({ errors })
  expect({ status: got, code: errors![0]!.extensions.code, reason: errors![0]!.extensions.reason }).toEqual({
    status,
    code,
    reason,
  })
  return { errors, data }
}
