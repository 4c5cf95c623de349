import { describe, expect, it } from 'vitest'
import { sharingCompilers } from '../src/shared-compiler.ts'

class QueryCompiler {
  readonly options: object
  freed = false

  constructor(options: object) {
    this.options = options
  }

  free(): void {
    this.freed = true
  }
}

describe('the query compiler of many clients', () => {
  const { QueryCompiler: Shared } = sharingCompilers({ QueryCompiler })
  const options = { datamodel: 'model Product {…}', provider: 'postgres', connectionInfo: { schemaName: 'catalog' } }

  it('is one for all that have the same schema and connection', () => {
    expect(new Shared({ ...options })).toBe(new Shared({ ...options }))
    expect(new Shared(options)).toBeInstanceOf(QueryCompiler)
  })

  it.each([
    ['data model', { ...options, datamodel: 'model Order {…}' }],
    ['schema of the database', { ...options, connectionInfo: { schemaName: 'orders' } }],
  ])('is another for another %s', (_, others) => {
    expect(new Shared(others)).not.toBe(new Shared(options))
  })

  it('outlives the client that disconnects', () => {
    const compiler = new Shared(options) as QueryCompiler
    compiler.free()
    expect(compiler.freed).toBe(false)
  })
})
