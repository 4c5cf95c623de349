import { describe, expect, it } from 'vitest'
import { checkCycles } from '../check/cycles.ts'
import { checkImports, importsOf } from '../check/imports.ts'
import type { Package } from '../check/workspace.ts'

const everything = [
  '@offshoot/rpc',
  '@offshoot/graphql',
  '@offshoot/data',
  '@offshoot/host',
  '@offshoot/events',
  '@offshoot/catalog',
  '@offshoot/orders',
  '@offshoot/gateway',
]

function workspacePackage(directory: string, name: string, exports: string[], dependencies: string[] = []): Package {
  const all = [...everything, 'zod', 'express', 'pg', '@prisma/client', ...dependencies]
  return {
    directory,
    name,
    exports: Object.fromEntries(
      exports.map((subpath) => [subpath, `./src/${subpath === '.' ? 'index' : subpath.slice(2)}.ts`]),
    ),
    dependencies: Object.fromEntries(all.map((dependency) => [dependency, 'workspace:*'])),
    devDependencies: { vitest: 'catalog:' },
  }
}

const packages = [
  workspacePackage('packages/platform/rpc', '@offshoot/rpc', ['.']),
  workspacePackage('packages/platform/graphql', '@offshoot/graphql', ['.']),
  workspacePackage('packages/platform/host', '@offshoot/host', ['.', './demo']),
  workspacePackage('packages/platform/data', '@offshoot/data', ['.', './system', './server', './migrate', './testing']),
  workspacePackage('packages/platform/events', '@offshoot/events', ['.', './runtime']),
  workspacePackage('packages/domains/catalog', '@offshoot/catalog', ['.', './contract']),
  workspacePackage('packages/domains/orders', '@offshoot/orders', ['.', './contract']),
  workspacePackage('apps/gateway', '@offshoot/gateway', ['.', './domains']),
  workspacePackage('scripts', '@offshoot/scripts', []),
]

const judge = (path: string, text: string) => checkImports(packages, [{ path, text }])

const orders = 'packages/domains/orders'

describe('the import rules', () => {
  it.each([
    ['a use case that imports another domain', `${orders}/src/place-order.ts`, "import { x } from '@offshoot/catalog'"],
    ['a domain that re-exports another', `${orders}/src/domain.ts`, "export * from '@offshoot/catalog'"],
    ['types of another domain', `${orders}/src/place-order.ts`, "import type { X } from '@offshoot/catalog'"],
    ['an inline type of another domain', `${orders}/src/place-order.ts`, "type X = import('@offshoot/catalog').X"],
    ['another domain loaded late', `${orders}/src/place-order.ts`, "await import('@offshoot/catalog')"],
    ['another domain by its path', `${orders}/src/place-order.ts`, "import { x } from '../../catalog/src/products.ts'"],
    [
      'a file past the exports',
      `${orders}/src/place-order.ts`,
      "import { x } from '@offshoot/catalog/src/products.ts'",
    ],
    [
      'platform that knows a domain',
      'packages/platform/host/src/app.ts',
      "import { x } from '@offshoot/orders/contract'",
    ],
    ['platform that knows an app', 'packages/platform/host/src/app.ts', "import { x } from '@offshoot/gateway'"],
    [
      'a test of the platform that knows a domain',
      'packages/platform/host/test/a.test.ts',
      "import { x } from '@offshoot/orders'",
    ],
    ['a domain that knows an app', `${orders}/src/domain.ts`, "import { x } from '@offshoot/gateway/domains'"],
    [
      'an app’s tests in a domain’s',
      `${orders}/test/a.test.ts`,
      "import { x } from '../../../../apps/gateway/test/a.ts'",
    ],
    ['a schema part with its use case', `${orders}/src/graphql.ts`, "import { placeOrder } from './place-order.ts'"],
    [
      'a schema part with the database',
      `${orders}/src/graphql.ts`,
      "import { PrismaClient } from './generated/prisma/client.ts'",
    ],
    ['a schema part with lanes', `${orders}/src/graphql.ts`, "import type { Lane } from '@offshoot/data'"],
    [
      'a piece of a schema part with its use case',
      `${orders}/src/graphql/order.ts`,
      "import { x } from '../place-order.ts'",
    ],
    ['a contract with the host', `${orders}/src/contract.ts`, "import { x } from '@offshoot/host'"],
    [
      'a contract with what carries events',
      `${orders}/src/contract.ts`,
      "import { x } from '@offshoot/events/runtime'",
    ],
    ['a domain with what carries events', `${orders}/src/handlers.ts`, "import { x } from '@offshoot/events/runtime'"],
    [
      'a use case with data of all tenants',
      `${orders}/src/place-order.ts`,
      "import { system } from '@offshoot/data/system'",
    ],
    [
      'a use case that starts a server',
      `${orders}/src/place-order.ts`,
      "import { ensureServer } from '@offshoot/data/server'",
    ],
    ['a domain with its own connection', `${orders}/src/place-order.ts`, "import pg from 'pg'"],
    ['a domain past its generated client', `${orders}/src/place-order.ts`, "import { Prisma } from '@prisma/client'"],
    ['the gateway with a connection', 'apps/gateway/src/app.ts', "import pg from 'pg'"],
    ['what package.json does not list', `${orders}/src/place-order.ts`, "import _ from 'lodash'"],
    ['a test tool in what runs', `${orders}/src/place-order.ts`, "import { it } from 'vitest'"],
  ])('refuse %s', (_, path, text) => {
    expect(judge(path, `\n${text}\n`)).toEqual([expect.objectContaining({ file: path, line: 2 })])
  })

  it.each([
    [
      'a contract of another domain',
      `${orders}/src/place-order.ts`,
      "import { catalog } from '@offshoot/catalog/contract'",
    ],
    ['a contract in a schema part', `${orders}/src/graphql.ts`, "import { orders } from './contract.ts'"],
    ['pieces of a schema part', `${orders}/src/graphql.ts`, "import { order } from './graphql/order.ts'"],
    ['a contract on contracts', `${orders}/src/contract.ts`, "import { ProductId } from '@offshoot/catalog/contract'"],
    ['a contract with events', `${orders}/src/contract.ts`, "import { defineEvent } from '@offshoot/events'"],
    ['the outbox and the inbox', 'packages/platform/events/src/relay.ts', "import pg from 'pg'"],
    [
      'a domain that declares its system work',
      `${orders}/src/domain.ts`,
      "import { system } from '@offshoot/data/system'",
    ],
    [
      'a test that composes domains',
      `${orders}/test/orders.test.ts`,
      "import { catalogDomain } from '@offshoot/catalog'",
    ],
    ['an app that hosts domains', 'apps/gateway/src/domains.ts', "import { ordersDomain } from '@offshoot/orders'"],
    ['a command that uses an app', 'scripts/db.ts', "import { domains } from '@offshoot/gateway/domains'"],
    [
      'a command’s test on an app’s',
      'scripts/flags/test/a.test.ts',
      "import { x } from '../../../apps/gateway/test/a.ts'",
    ],
    ['the platform on itself', 'packages/platform/host/src/app.ts', "import { openLanes } from '@offshoot/data'"],
    ['the database in its package', 'packages/platform/data/src/lane.ts', "import pg from 'pg'"],
    ['what Node brings', `${orders}/src/place-order.ts`, "import { join } from 'node:path'"],
  ])('allow %s', (_, path, text) => {
    expect(judge(path, text)).toEqual([])
  })
})

describe('a contract', () => {
  it('must not bring its domain along, not even through another file', () => {
    const contract = { path: `${orders}/src/contract.ts`, text: "export * from './order.ts'" }
    const innocent = { path: `${orders}/src/order.ts`, text: "import { z } from 'zod'" }
    const heavy = {
      path: `${orders}/src/order.ts`,
      text: "import { z } from 'zod'\nimport { x } from '@offshoot/host'",
    }
    expect(checkImports(packages, [contract, innocent])).toEqual([])
    expect(checkImports(packages, [heavy])).toEqual([])
    expect(checkImports(packages, [contract, heavy])).toEqual([expect.objectContaining({ file: heavy.path, line: 2 })])
  })
})

describe('finding imports', () => {
  it('sees every way to import, with its line, and no comment or text', () => {
    const text = `import 'a'
      import type { B } from 'b'
      export { c } from 'c'
      export * from 'd'
      const e = await import('e')
      type F = import('f').F
      const text = "import 'no'" // import 'neither'`
    expect(importsOf('a.ts', text)).toEqual(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((specifier, index) => ({
        specifier,
        line: index + 1,
        types: 'bf'.includes(specifier),
      })),
    )
  })
})

describe('files that load each other in a circle', () => {
  const file = (path: string, text: string) => ({ path, text })
  const src = 'packages/platform/rpc/src'

  it('are found, also across packages, and once', () => {
    expect(
      checkCycles(packages, [
        file(`${src}/index.ts`, "import { b } from './b.ts'"),
        file(`${src}/b.ts`, "export * from './c.ts'\nawait import('@offshoot/graphql')"),
        file(`${src}/c.ts`, ''),
        file('packages/platform/graphql/src/index.ts', "import { a } from '@offshoot/rpc'"),
      ]),
    ).toEqual([
      {
        file: 'packages/platform/graphql/src/index.ts',
        message: expect.stringMatching(/by way of packages\/platform\/rpc\/src\/index.ts, .*b.ts: put what they share/),
      },
    ])
  })

  it('may take types from each other', () => {
    const types =
      "import type { A } from './index.ts'\nimport { type B } from './index.ts'\nexport type { C } from './index.ts'"
    expect(
      checkCycles(packages, [file(`${src}/index.ts`, "import { b } from './b.ts'"), file(`${src}/b.ts`, types)]),
    ).toEqual([])
  })
})
