#!/usr/bin/env node
/**
 * `prisma-generate`: generates the Prisma client of the package in the current directory, offline, and rewrites its
 * types so that domain code never names its tenant, and its runtime so that clients share what they can.
 *
 * Every key of a tenant model starts with `tenantId`, so Prisma's types ask for `where: { tenantId_id: { tenantId, id } }`.
 * The lane knows the tenant and completes the key when the query runs; here the types learn the same: `where: { id }`.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const OUTPUT = join('src', 'generated', 'prisma')

/**
 * Rewrites one generated `models/<Model>.ts`. A model without `tenantId` is returned as it is; a tenant model whose
 * types have an unexpected shape is an error, because a type that silently kept its tenant would only be noticed in use.
 */
export function rewriteModel(model: string, source: string): string {
  const input = new RegExp(`export type ${model}WhereUniqueInput = Prisma\\.AtLeast<\\{\\n([^]*?)\\n\\}, ([^>]+)>`)
  const match = input.exec(source)
  if (!match)
    throw new Error(`${model}: no ${model}WhereUniqueInput in what Prisma generated; generate.ts must learn it`)
  let [, fields = '', keys = ''] = match
  if (!/^ {2}tenantId\?: /m.test(fields)) return source

  let result = source
  for (const key of keys.split('|').map((quoted) => quoted.trim().slice(1, -1))) {
    const type = new RegExp(`^ {2}${key}\\?: Prisma\\.(\\w+CompoundUniqueInput)$`, 'm').exec(fields)?.[1]
    const body = type && new RegExp(`export type ${type} = \\{\\n([^]*?)\\n\\}`).exec(result)
    const [tenant, ...others] = body ? body[1]!.split('\n').map((line) => line.trim()) : []
    if (!body || tenant !== 'tenantId: string' || others.length === 0) {
      throw new Error(
        `${model}: the key "${key}" of a tenant model must be a compound one whose first field is tenantId: ` +
          'write @@id([tenantId, id]) and @@unique([tenantId, …]), without a name',
      )
    }
    result = result.replace(body[0], body[0].replace('tenantId: string', 'tenantId?: string'))
    const [only, scalar] = others.length === 1 ? others[0]!.split(': ') : []
    if (!only || !scalar) continue
    keys = keys.replace(`"${key}"`, `"${only}"`)
    fields = fields.replace(new RegExp(`^ {2}${only}\\?: .*$`, 'm'), `  ${only}?: ${scalar}`)
  }
  return result.replace(
    match[0],
    () => `export type ${model}WhereUniqueInput = Prisma.AtLeast<{\n${fields}\n}, ${keys}>`,
  )
}

/** Rewrites the generated `internal/class.ts`: clients of one schema share their query compiler (shared-compiler.ts says why). */
export function shareCompiler(source: string): string {
  const runtime = /getRuntime: async \(\) => (await import\("[^"]+"\)),/
  if (!runtime.test(source)) throw new Error('No getRuntime in what Prisma generated; generate.ts must learn it')
  return source
    .replace(/^import /m, `import { sharingCompilers } from '@offshoot/data/shared-compiler'\nimport `)
    .replace(runtime, 'getRuntime: async () => sharingCompilers($1),')
}

/** Generates the client of the package at `directory` into its `src/generated/prisma`. */
export function generate(directory: string): void {
  const cli = join(createRequire(import.meta.url).resolve('prisma/package.json'), '..', 'build', 'index.js')
  rmSync(join(directory, OUTPUT), { recursive: true, force: true })
  const prisma = spawnSync(
    process.execPath,
    [cli, 'generate', '--no-hints', '--schema', join('prisma', 'schema.prisma')],
    {
      cwd: directory,
      encoding: 'utf8',
      env: {
        ...process.env,
        // `generate` never runs the schema engine but downloads it unless told where one is: any executable will do.
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        CHECKPOINT_DISABLE: '1',
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
      },
    },
  )
  if (prisma.status !== 0) throw new Error(`prisma generate failed in ${directory}:\n${prisma.stdout}${prisma.stderr}`)

  const models = join(directory, OUTPUT, 'models')
  for (const file of readdirSync(models)) {
    const path = join(models, file)
    writeFileSync(path, rewriteModel(file.slice(0, -'.ts'.length), readFileSync(path, 'utf8')))
  }
  const client = join(directory, OUTPUT, 'internal', 'class.ts')
  writeFileSync(client, shareCompiler(readFileSync(client, 'utf8')))
}

if (import.meta.main) {
  try {
    generate(process.cwd())
  } catch (error) {
    console.error((error as Error).message)
    process.exitCode = 1
  }
}
