import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ConfigError, envExample, flag, list, loadConfig, readEnvironment, settings, whole } from '../src/index.ts'

const schema = z.object({
  PORT: whole(1, 65_535).default(4000).register(settings, { about: 'Where to listen.' }),
  SECRET: z.string().min(8).describe('at least 8 characters').register(settings, {
    about: 'Signs things.',
    development: 'development',
    secret: true,
  }),
  NAMES: list(z.string().min(2).describe('a name')).default([]).register(settings, { about: 'Who.' }),
  LOUD: flag().default(false).register(settings, { about: 'How.' }),
  URL: z.url().optional().describe('a URL').register(settings, { about: 'What.', otherwise: 'none' }),
})

function problems(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(schema, env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
  }
  return []
}

describe('loading the configuration', () => {
  it('needs nothing in development', () => {
    expect(loadConfig(schema, {})).toEqual({ PORT: 4000, SECRET: 'development', NAMES: [], LOUD: false })
  })

  it('reads numbers, lists and flags, and takes an empty value as not set', () => {
    const env = { PORT: '80', NAMES: 'ann, bob', LOUD: 'true', URL: '', UNRELATED: 'x' }
    expect(loadConfig(schema, env)).toEqual({ PORT: 80, SECRET: 'development', NAMES: ['ann', 'bob'], LOUD: true })
  })

  it('reports everything that is wrong at once, without the values of secrets', () => {
    expect(problems({ PORT: '70000', SECRET: 'hunter2', LOUD: 'yes', URL: 'nowhere', NAMES: 'a' })).toEqual([
      'PORT: must be a whole number from 1 to 65535, not "70000"',
      'SECRET: must be at least 8 characters',
      'NAMES: must be a list, separated by commas, each a name, not "a"',
      'LOUD: must be true or false, not "yes"',
      'URL: must be a URL, not "nowhere"',
    ])
  })

  it('refuses the defaults of development in production', () => {
    expect(problems({ NODE_ENV: 'production' })).toEqual(['SECRET: must be set in production'])
    expect(problems({ NODE_ENV: 'production', SECRET: 'development' })).toEqual([
      'SECRET: must not be the value of development in production',
    ])
    expect(loadConfig(schema, { NODE_ENV: 'production', SECRET: 'long enough' }).SECRET).toBe('long enough')
  })

  it.each(['0', '-1', '1.5', '1e3', ' 80', '0x50', 'NaN', '99999999999999999999'])('refuses PORT=%s', (PORT) => {
    expect(problems({ PORT })).toHaveLength(1)
  })
})

describe('the .env file', () => {
  it('is read where present, and the real environment wins', () => {
    const directory = mkdtempSync(join(tmpdir(), 'config-'))
    expect(readEnvironment(directory, { A: '1' })).toEqual({ A: '1' })
    writeFileSync(join(directory, '.env'), 'A=2\nB="two words" # why\n')
    expect(readEnvironment(directory, { A: '1' })).toEqual({ A: '1', B: 'two words' })
  })

  it('has an example that changes nothing when it is used as it is', () => {
    const directory = mkdtempSync(join(tmpdir(), 'config-'))
    const example = envExample(schema)
    expect(example).toContain('# Signs things. Production must set its own.\n#SECRET=development\n')
    expect(example).toContain('# What. Not set: none.\n#URL=\n')
    writeFileSync(join(directory, '.env'), example)
    expect(loadConfig(schema, readEnvironment(directory, {}))).toEqual(loadConfig(schema, {}))
    writeFileSync(join(directory, '.env'), example.replaceAll(/^#(\w+=)/gm, '$1'))
    expect(loadConfig(schema, readEnvironment(directory, {}))).toEqual(loadConfig(schema, {}))
  })
})
