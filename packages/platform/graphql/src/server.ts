import type { IncomingMessage, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { maxAliasesPlugin } from '@escape.tech/graphql-armor-max-aliases'
import { maxDepthPlugin } from '@escape.tech/graphql-armor-max-depth'
import { maxTokensPlugin } from '@escape.tech/graphql-armor-max-tokens'
import { useDisableIntrospection } from '@graphql-yoga/plugin-disable-introspection'
import { GraphQLError, type GraphQLSchema } from 'graphql'
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { GraphQLContext } from './context.ts'
import { publicError } from './errors.ts'
import { traceOperations } from './traced-operations.ts'

/** How much one operation may ask for. Page sizes are bounded by the schema itself. */
export const limits = { depth: 12, aliases: 30, tokens: 2_000 }

/** GraphiQL with all that it needs from elsewhere, 50 MB of memory: loaded when somebody looks at it. */
const graphiql = () =>
  createRequire(import.meta.url)('@graphql-yoga/render-graphiql') as typeof import('@graphql-yoga/render-graphiql')

interface ServerContext {
  req: IncomingMessage
  res: ServerResponse
}

export interface GraphQLServerOptions {
  schema: GraphQLSchema
  path: string
  /** No introspection, no GraphiQL, no hints at names of the schema. */
  production: boolean
  /** Made once for each operation. It doesn't fail; its clients do. */
  context(request: IncomingMessage): Promise<GraphQLContext>
  /** Told of every error that callers see only masked. */
  onUnexpected(error: unknown, requestId: string | undefined): void
}

/**
 * The GraphQL server: GraphQL over HTTP (draft specification) by POST with a JSON body. What else Yoga would do is off: execute GET, forms and multipart,
 * take batches, stream, and answer every origin. The size of the body is up to whoever mounts it.
 */
export function createGraphQLServer(options: GraphQLServerOptions): YogaServerInstance<ServerContext, GraphQLContext> {
  const { schema, path, production, onUnexpected } = options
  const requestIds = new WeakMap<Request, string>()
  const maskError = (error: unknown) => publicError(error, { hints: !production })
  const tracing = traceOperations((error) => maskError(error).extensions.code as string)
  /** The last thing that happens to a result: Yoga masks what is thrown, but not what validation finds. */
  const maskAndLog: Plugin = {
    onResultProcess({ request, result, setResult }) {
      if (!('errors' in result) || !result.errors) return
      const errors = result.errors.map(maskError).sort(byPath)
      for (const { originalError } of errors) if (originalError) onUnexpected(originalError, requestIds.get(request))
      const trace = tracing.traceOf(request)
      const leads = ({ extensions: { code } }: GraphQLError) => !production || code === 'INTERNAL'
      setResult({
        ...result,
        errors: errors.map((error) => (trace && leads(error) ? withTrace(error, trace) : error)),
      })
    },
  }
  return createYoga<ServerContext, GraphQLContext>({
    schema,
    graphqlEndpoint: path,
    landingPage: false,
    cors: false,
    batching: false,
    multipart: false,
    maxRequestBodySize: false,
    logging: false,
    renderGraphiQL: (options) => graphiql().renderGraphiQL(options),
    graphiql: !production && {
      title: 'Offshoot',
      defaultQuery: '{\n  me { name memberships { role organization { slug } } }\n}\n',
    },
    context: async ({ request, req }) => {
      const context = await options.context(req)
      requestIds.set(request, context.requestId)
      tracing.identified(request, context)
      return context
    },
    maskedErrors: { maskError },
    plugins: [
      tracing.plugin,
      onlyJsonByPost,
      forgetStacks,
      maskAndLog,
      maxDepthPlugin({ n: limits.depth, ...tooMuch('TOO_DEEP', `Fields are nested more than ${limits.depth} deep.`) }),
      maxAliasesPlugin({ n: limits.aliases, ...tooMuch('TOO_MANY_ALIASES', `More than ${limits.aliases} aliases.`) }),
      maxTokensPlugin({ n: limits.tokens, ...tooMuch('TOO_MANY_TOKENS', `More than ${limits.tokens} tokens.`) }),
      ...(production ? [useDisableIntrospection()] : []),
    ],
  })
}

/** The same error with what leads to its trace. A copy: the same document's errors are kept for the next who sends it. */
function withTrace(error: GraphQLError, traceId: string): GraphQLError {
  const { message, nodes, source, positions, path, originalError } = error
  const extensions = { ...error.extensions, traceId }
  return new GraphQLError(message, { nodes, source, positions, path, originalError, extensions })
}

/** Fields fail in any order; the same answer is the same text all the same. */
function byPath({ path: a }: GraphQLError, { path: b }: GraphQLError): number {
  const [one, other] = [String(a), String(b)]
  return one === other ? 0 : one < other ? -1 : 1
}

const tooMuch = (code: string, message: string) => ({
  onReject: [
    () => {
      throw new GraphQLError(`The operation asks for too much. ${message}`, { extensions: { code } })
    },
  ],
})

/** Yoga keeps what is wrong with the last documents; V8 keeps with an error all that was under way, until its stack is read or replaced. Nobody reads these: the caller's text is to blame. */
const forgetStacks: Plugin = {
  onParse:
    () =>
    ({ result }) => {
      if (result instanceof Error) result.stack = ''
    },
  onValidate:
    () =>
    ({ result }) => {
      for (const error of result as GraphQLError[]) error.stack = ''
    },
}

const json = /^application\/json\s*(;\s*(charset="?utf-?8"?)?\s*)?$/i
const takesJson =
  /(^|,)\s*(\*\/\*|application\/(\*|json|graphql-response\+json))\s*(;(?!\s*charset=(?!utf-8))[^,;]*)*(,|$)/i

/** A page of another origin can send forms and follow links without asking, and the browser adds the cookie; JSON by POST it cannot. */
const onlyJsonByPost: Plugin = {
  onRequestParse({ request, url, endResponse, fetchAPI }) {
    const refuse = (status: number, reason: string, message: string, headers = {}) => {
      const errors = [{ message, extensions: { code: 'BAD_USER_INPUT', reason } }]
      endResponse(
        new fetchAPI.Response(JSON.stringify({ errors }), {
          status,
          headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
        }),
      )
    }
    if (request.method !== 'POST')
      return refuse(405, 'METHOD_NOT_ALLOWED', 'Send operations by POST.', { allow: 'POST' })
    if (url.searchParams.size > 0)
      return refuse(400, 'BAD_REQUEST', 'Send the operation in the body, not in the address.')
    if (!json.test(request.headers.get('content-type') ?? ''))
      return refuse(415, 'UNSUPPORTED_MEDIA_TYPE', 'Send the operation as application/json, in UTF-8.')
    if (!takesJson.test(request.headers.get('accept') || '*/*'))
      refuse(406, 'NOT_ACCEPTABLE', 'Answers are application/graphql-response+json or application/json, in UTF-8.')
  },
  // The one parameter whose type Yoga takes on trust.
  onParams({ params: { operationName } }) {
    if (operationName !== null && operationName !== undefined && typeof operationName !== 'string')
      throw new GraphQLError('Expected "operationName" to be a string.', { extensions: { code: 'BAD_REQUEST' } })
  },
}
