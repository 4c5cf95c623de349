export { type Caller, createClient, defaultBudget, type Link, localLink } from './client.ts'
export {
  type Actions,
  type Audience,
  actionsOf,
  type CallMeta,
  type Calls,
  type Client,
  type Contract,
  command,
  defineContract,
  defineEntity,
  type Entity,
  type Handlers,
  type InputOf,
  metaOf,
  type OutputOf,
  query,
} from './contract.ts'
export { callListener, untilGone } from './http-server.ts'
export {
  Actor,
  anonymous,
  edge,
  Identity,
  type IdentityToken,
  type IdentityTokens,
  identityTokens,
} from './identity.ts'
export { plainCopy } from './plain.ts'
export {
  badInput,
  conflict,
  deadlineExceeded,
  forbidden,
  internal,
  notFound,
  Problem,
  type ProblemCode,
  type ProblemData,
  problemCodes,
  serviceUnavailable,
  unavailable,
} from './problem.ts'
export { type Call, type CallHeaders, type CallServer, serve, type UnitOfWork } from './server.ts'
export { newId, uuidBytes, uuidText } from './uuid.ts'
export {
  currencyDigits,
  id,
  Money,
  maxPageSize,
  Plan,
  page,
  pageInput,
  Role,
  TenantId,
  Timestamp,
  text,
  toPage,
  UserId,
} from './values.ts'
export { callsPath } from './wire.ts'
