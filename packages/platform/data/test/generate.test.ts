import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generate, rewriteModel } from '../src/generate.ts'

const HEADER = `
generator client {
  provider            = "prisma-client"
  output              = "../src/generated/prisma"
  runtime             = "nodejs"
  moduleFormat        = "esm"
  importFileExtension = "ts"
}
datasource db {
  provider = "postgresql"
}`

const TENANT = 'tenantId String @default(dbgenerated("app.tid()")) @map("tenant_id") @db.Uuid'

describe('generating the client of a package', () => {
  const directory = mkdtempSync(join(tmpdir(), 'offshoot-generate-'))
  const model = (name: string) => readFileSync(join(directory, 'src/generated/prisma/models', `${name}.ts`), 'utf8')
  const withSchema = (models: string) => writeFileSync(join(directory, 'prisma/schema.prisma'), `${HEADER}\n${models}`)

  beforeAll(() => {
    mkdirSync(join(directory, 'prisma'))
    withSchema(`
model Product {
  ${TENANT}
  id       String @db.Uuid
  sku      String
  lines    OrderLine[]
  @@id([tenantId, id])
  @@unique([tenantId, sku])
  @@map("product")
}
model OrderLine {
  ${TENANT}
  orderId   String  @map("order_id") @db.Uuid
  position  Int
  productId String  @map("product_id") @db.Uuid
  product   Product @relation(fields: [tenantId, productId], references: [tenantId, id])
  @@id([tenantId, orderId, position])
  @@map("order_line")
}
model Setting {
  key String @id
}`)
    generate(directory)
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  it('lets a tenant model be found by its own key alone', () => {
    expect(model('Product')).toMatch(
      /ProductWhereUniqueInput = [\s\S]*?\n {2}id\?: string\n[\s\S]*?\n\}, "id" \| "sku">/,
    )
  })

  it('lets the clients of a schema share their query compiler', () => {
    expect(readFileSync(join(directory, 'src/generated/prisma/internal/class.ts'), 'utf8')).toMatch(
      /getRuntime: async \(\) => sharingCompilers\(await import\("/,
    )
  })

  it('makes the tenant optional in keys of several columns', () => {
    expect(model('OrderLine')).toMatch(
      /CompoundUniqueInput = \{\n {2}tenantId\?: string\n {2}orderId: string\n {2}position: number\n/,
    )
    expect(model('OrderLine')).toContain('}, "tenantId_orderId_position">')
  })

  it('leaves a model without tenant as Prisma made it', () => {
    expect(model('Setting')).toContain('}, "key">')
  })

  it('refuses a tenant model whose key does not start with the tenant', () => {
    withSchema(`
model Note {
  ${TENANT}
  id String @id @db.Uuid
}`)
    expect(() => generate(directory)).toThrow(/Note: the key "id" of a tenant model must be a compound one/)
  })

  it('reports a mistake in the schema as Prisma does', () => {
    withSchema('model Note {\n  id Strin @id\n}')
    expect(() => generate(directory)).toThrow(/Type "Strin" is neither a built-in type/)
  })

  it('fails when Prisma generates something that it does not know', () => {
    expect(() => rewriteModel('Note', 'export type NoteWhereUnique = {}')).toThrow(/Note: no NoteWhereUniqueInput/)
  })
})
