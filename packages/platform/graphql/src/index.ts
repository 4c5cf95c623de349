export { type Page, pageArguments, pageOf } from './connection.ts'
export type { GraphQLContext, Viewer } from './context.ts'
export { publicError } from './errors.ts'
export { decimalOf, moneyOf } from './money.ts'
export {
  buildSchema,
  type EntityRef,
  printPublicSchema,
  type Ref,
  type SchemaPart,
  type SchemaTools,
} from './schema.ts'
export { createGraphQLServer, type GraphQLServerOptions, limits } from './server.ts'
