import { internal, Problem } from '@offshoot/rpc'
import { GraphQLError, type GraphQLErrorExtensions } from 'graphql'

/**
 * What the public sees of an error: `extensions.code` from the closed list, the detail in `extensions.reason`. A `Problem` passes as it is; so does
 * what GraphQL itself says of a request (BAD_USER_INPUT); everything else is masked, and kept as `originalError` for the log, which is never sent.
 * With `hints` false, nothing is said that would tell an outsider about the schema.
 */
export function publicError(error: unknown, { hints }: { hints: boolean }): GraphQLError {
  const located = error instanceof GraphQLError ? error : undefined
  if (located && published.has(located)) return located
  let cause = error
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError
  const made =
    cause instanceof Problem
      ? fromProblem(located, cause)
      : located && cause instanceof GraphQLError
        ? fromGraphQL(located, cause, hints)
        : fromProblem(located, internal(cause), cause instanceof Error ? cause : new Error(String(cause)))
  published.add(made)
  return made
}

const published = new WeakSet<GraphQLError>()

function fromProblem(
  located: GraphQLError | undefined,
  { message, code, reason, data }: Problem,
  originalError?: Error,
): GraphQLError {
  return new GraphQLError(message, {
    nodes: located?.nodes,
    path: located?.path,
    extensions: { code, reason, ...(data && { data }) },
    originalError,
  })
}

/** `located` says more than its cause: which variable, for example. What kind of error it is says the cause. */
function fromGraphQL(
  located: GraphQLError,
  { extensions: { code, http } }: GraphQLError,
  hints: boolean,
): GraphQLError {
  const { message, nodes, source, positions, path } = located
  const extensions: GraphQLErrorExtensions = {
    code: 'BAD_USER_INPUT',
    reason: code ?? 'INVALID_INPUT',
    // Nothing was executed: 400, except that for `application/json` the specification wants 200 of whatever is a GraphQL request at all.
    ...(!path && { http: { status: 400, ...http, spec: code !== 'BAD_REQUEST' } }),
  }
  const shown = hints ? message : message.replace(/ Did you mean .*$/s, '')
  return new GraphQLError(shown, { nodes, source, positions, path, extensions })
}
