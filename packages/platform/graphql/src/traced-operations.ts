import { hash } from 'node:crypto'
import type { Plan, TenantId } from '@offshoot/rpc'
import {
  type AttributesOf,
  endFailed,
  record,
  recordedSpan,
  type Span,
  startSpan,
  telemetryOn,
  within,
} from '@offshoot/telemetry'
import { getOperationAST, type OperationTypeNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'

interface Operation {
  span: Span
  /** Undefined when it is not recorded. */
  trace: string | undefined
  /** Unknown until the document has been read. */
  type?: OperationTypeNode
  plan?: Plan | null
  /** The code of the first error in the answer. */
  code?: string
}

/** Of an operation's name, in characters. It is whatever a caller wants it to be. */
const longestName = 100

/**
 * A span and a duration for each operation: its document read and checked, its context made, its fields resolved. Names of operations are anybody's, so that they
 * name spans and never series; documents may have values in them, so that only their hash is told.
 */
export function traceOperations(codeOf: (error: unknown) => string) {
  const operations = new WeakMap<Request, Operation>()

  const plugin: Plugin = {
    instrumentation: {
      async operation({ request }, work) {
        const span = startSpan('graphql.operation', 'GraphQL Operation')
        const trace = span.isRecording() ? span.spanContext().traceId : undefined
        const operation: Operation = { span, trace }
        operations.set(request, operation)
        const began = performance.now()
        try {
          await within(span, work)
        } finally {
          const { type, plan, code } = operation
          if (code) endFailed(span, code)
          else span.end()
          record('graphql.server.operation.duration', (performance.now() - began) / 1000, {
            ...(type && { 'graphql.operation.type': type }),
            ...(plan && { 'tenant.plan': plan }),
            ...(code && { 'error.type': code }),
          })
        }
      },
    },
    onValidate({ params: { documentAST }, context }) {
      const { request, params } = context
      const operation = operations.get(request)
      const node = getOperationAST(documentAST, params.operationName)
      if (!operation || !node) return
      operation.type = node.operation
      if (!operation.span.isRecording()) return
      const name = node.name?.value.slice(0, longestName)
      operation.span.updateName(name ? `${node.operation} ${name}` : node.operation)
      const attributes: AttributesOf<'graphql.operation'> = {
        'graphql.operation.type': node.operation,
        ...(name && { 'graphql.operation.name': name }),
        'graphql.document.hash': hash('sha256', params.query ?? ''),
      }
      operation.span.setAttributes(attributes)
    },
    onExecutionResult({ request, result }) {
      const operation = operations.get(request)
      const first = result && 'errors' in result ? result.errors?.[0] : undefined
      if (operation && first) operation.code = codeOf(first)
    },
  }

  return {
    plugin: telemetryOn() ? plugin : {},
    /** Once it is known who asks. */
    identified(request: Request, { tenant, plan }: { tenant: TenantId | null; plan: Plan | null }): void {
      const operation = operations.get(request)
      if (!operation) return
      operation.plan = plan
      if (tenant) operation.span.setAttribute('tenant.id', tenant)
    },
    /** The trace that a request is part of; undefined when it is not recorded. */
    traceOf: (request: Request): string | undefined =>
      operations.get(request)?.trace ?? recordedSpan()?.spanContext().traceId,
  }
}
