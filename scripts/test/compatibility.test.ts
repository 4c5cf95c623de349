import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { defineEvent } from '@offshoot/events'
import { command, defineContract, page, query } from '@offshoot/rpc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { baseOf, NoBase } from '../check/base.ts'
import { checkCompatibility, schemaBreaks, wireBreaks } from '../check/compatibility.ts'
import { wireOf } from '../check/wire.ts'

const Shelf = { id: z.uuid(), name: z.string(), state: z.enum(['FREE', 'FULL']), note: z.string().nullable() }
const input = { name: z.string().min(1).max(100), level: z.int().min(1).optional() }

interface Changed {
  input?: z.ZodType
  output?: z.ZodType
  data?: z.ZodType
  version?: number
  aggregate?: string
  kind?: typeof query
  action?: string
}

/** The contract of a warehouse, with something changed. */
function warehouse(changed: Changed = {}) {
  const call = changed.kind ?? command
  const action = changed.action ?? 'shelf:write'
  const contract = defineContract('warehouse', {
    actions: { 'shelf:write': ['owner'], 'shelf:read': ['owner'] },
    calls: {
      list: query({ action: 'shelf:read', input: z.object({}), output: page(z.object(Shelf)) }),
      create: call({
        action,
        input: changed.input ?? z.object(input),
        output: changed.output ?? z.object(Shelf),
      }),
    },
  })
  const version = changed.version ?? 1
  const filled = defineEvent('warehouse.ShelfFilled', {
    version,
    aggregate: changed.aggregate ?? 'shelf',
    key: (data: any) => data.id,
    data: changed.data ?? z.object(Shelf),
    upcast: version > 1 ? { 1: (old) => old } : {},
  })
  return wireOf({ contract, definition: { emits: [filled] } } as never)
}

const breaks = (changed: Changed) => wireBreaks(warehouse(), warehouse(changed))

describe('a contract', () => {
  it.each<[string, Changed]>([
    ['as it was', {}],
    ['a new field that callers may leave out', { input: z.object({ ...input, zone: z.string().optional() }) }],
    ['wider bounds', { input: z.object({ ...input, name: z.string().max(200) }) }],
    ['a field that was required and may be left out', { input: z.object({ ...input, name: input.name.optional() }) }],
    ['a new field in answers', { output: z.object({ ...Shelf, zone: z.string() }) }],
    ['an answer that is never null any more', { output: z.object({ ...Shelf, note: z.string() }) }],
    ['an optional field in an event', { data: z.object({ ...Shelf, zone: z.string().optional() }) }],
    ['a new version of an event', { data: z.object({ id: z.uuid() }), version: 2 }],
  ])('may have %s', (_, changed) => {
    expect(breaks(changed)).toEqual([])
  })

  it.each<[string, Changed, RegExp]>([
    [
      'a field that is required now',
      { input: z.object({ ...input, zone: z.string() }) },
      /create send.*zone may be missing/,
    ],
    ['a field that is no longer read', { input: z.object({ name: input.name }) }, /level is not known/],
    [
      'narrower bounds',
      { input: z.object({ ...input, name: z.string().min(1).max(50) }) },
      /name has maxLength 100, not 50/,
    ],
    ['another type', { input: z.object({ ...input, level: z.string().optional() }) }, /level is integer, not string/],
    [
      'an answer without a field',
      { output: z.object({ ...Shelf, name: z.string().optional() }) },
      /create answers.*name may be missing/,
    ],
    [
      'an answer that may be null',
      { output: z.object({ ...Shelf, name: z.string().nullable() }) },
      /name is null, not string/,
    ],
    [
      'a value that callers do not know',
      { output: z.object({ ...Shelf, state: z.enum(['FREE', 'FULL', 'LOST']) }) },
      /state may be "LOST"/,
    ],
    ['a query that is a command now', { kind: query }, /create has another kind: query, not command/],
    ['another action', { action: 'shelf:read' }, /create has another action/],
    [
      'an event that stored ones do not fit',
      { data: z.object({ ...Shelf, zone: z.string() }) },
      /stored cannot be read.*zone may be missing.*version 2/,
    ],
    [
      'an event that its handlers cannot read',
      { data: z.object({ ...Shelf, state: z.enum(['FREE', 'FULL', 'LOST']) }) },
      /by those who handle it: state may be "LOST"/,
    ],
    ['an event about something else', { aggregate: 'zone' }, /loses its order/],
  ])('must not have %s', (_, changed, why) => {
    expect(breaks(changed).join('\n')).toMatch(why)
  })

  it('must not lose a call or an event', () => {
    const { list } = warehouse().calls
    expect(wireBreaks(warehouse(), { calls: { list: list! }, events: {} })).toEqual([
      'the call create is gone',
      'the event warehouse.ShelfFilled is gone',
    ])
  })
})

describe('the public schema', () => {
  const before = 'type Query { shelf(id: ID!): String  shelves: [String!] }'
  it.each([
    ['a new field', 'type Query { shelf(id: ID!): String  shelves: [String!]  zones: Int }', []],
    ['no field less', 'type Query { shelf(id: ID!): String }', ['Query.shelves was removed']],
    [
      'no argument that is required now',
      'type Query { shelf(id: ID!, zone: ID!): String  shelves: [String!] }',
      ['A required arg zone on Query.shelf was added'],
    ],
  ])('may have %s', (_, after, expected) => {
    expect(schemaBreaks(before, after)).toEqual(expected)
  })
})

describe('a branch', () => {
  const directory = mkdtempSync(join(tmpdir(), 'offshoot-compatibility-'))
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), text)
  }
  const git = (...args: string[]) => execFileSync('git', ['-C', directory, ...args], { stdio: 'pipe' })
  const contract = 'packages/domains/warehouse/contract.json'
  beforeAll(() => {
    git('init', '-qb', 'main')
    git('config', 'user.email', 'test@offshoot.test')
    git('config', 'user.name', 'Test')
    write('apps/gateway/package.json', '{ "name": "@offshoot/gateway" }')
    write('apps/gateway/schema.graphql', 'type Query { shelf: String }')
    write('packages/domains/warehouse/package.json', '{ "name": "@offshoot/warehouse" }')
    write(contract, JSON.stringify(warehouse()))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  it('cannot be compared before there is history, and says so', () => {
    expect(() => checkCompatibility(directory, baseOf(directory))).toThrow(NoBase)
    git('add', '-A')
    git('commit', '-qm', 'base')
    git('checkout', '-qb', 'change')
    expect(checkCompatibility(directory, baseOf(directory))).toEqual([])
  })

  it('is told what it breaks, and what to do', () => {
    write(contract, JSON.stringify(warehouse({ output: z.object({ id: z.uuid() }) })))
    write('apps/gateway/schema.graphql', 'type Query { shelves: String }')
    expect(checkCompatibility(directory, baseOf(directory))).toEqual([
      {
        file: 'apps/gateway/schema.graphql',
        message: expect.stringMatching(/Query.shelf was removed.*changeset.*@offshoot\/gateway/),
      },
      ...['name', 'state', 'note'].map((field) => ({
        file: contract,
        message: expect.stringMatching(new RegExp(`create answers.*${field} may be missing.*@offshoot/warehouse`)),
      })),
    ])
  })

  it('may break what a changeset of its own announces', () => {
    write(
      '.changeset/brave-shelves.md',
      `---\n'@offshoot/warehouse': major\n"@offshoot/gateway": minor\n---\n\nShelves are ids.\n`,
    )
    expect(checkCompatibility(directory, baseOf(directory)).map(({ file }) => file)).toEqual([
      'apps/gateway/schema.graphql',
    ])
  })
})
