import { describeStatement, endFailed, errorType, record, startSpan, telemetryOn } from '@offshoot/telemetry'
import pg from 'pg'

/** What is told of a domain's connections. */
export interface Observed {
  /** Sends a statement. `tenant` is undefined for what belongs to none. */
  statement<T>(text: string, tenant: string | undefined, send: () => Promise<T>): Promise<T>
  /** Waits for a connection of a pool. */
  connection<T>(pool: string, connect: () => Promise<T>): Promise<T>
}

/**
 * A domain's statements as spans and as durations, from when they are asked for, so that waiting for a connection counts. A span is begun in its caller's context; what is
 * sent belongs to no trace (`apart`): connections are shared, and whoever carries one statement of many is not its parent.
 */
export function observedBy(domain: string, connectionString: string): Observed {
  const { host, port, database } = new pg.Client({ connectionString })
  const everywhere = {
    'db.system.name': 'postgresql',
    'db.namespace': `${database}|${domain}`,
    'server.address': host,
    'server.port': port,
    domain,
  }

  const observed: Observed = {
    async statement(text, tenant, send) {
      const began = performance.now()
      const { operation, summary, attributes } = describeStatement(text)
      const span = startSpan('db.statement', summary, { attributes: everywhere }).setAttributes(attributes)
      if (tenant) span.setAttribute('tenant.id', tenant)
      const labels = { domain, 'db.operation.name': operation }
      try {
        const result = await send()
        span.end()
        record('db.client.operation.duration', (performance.now() - began) / 1000, labels)
        return result
      } catch (error) {
        const state = sqlState(error)
        const type = state ?? errorType(error)
        if (state) span.setAttribute('db.response.status_code', state)
        endFailed(span, type)
        record('db.client.operation.duration', (performance.now() - began) / 1000, { ...labels, 'error.type': type })
        throw error
      }
    },

    async connection(pool, connect) {
      const began = performance.now()
      const connection = await connect()
      record('db.client.connection.wait_time', (performance.now() - began) / 1000, {
        domain,
        'db.client.connection.pool.name': pool,
      })
      return connection
    },
  }
  return {
    statement: (text, tenant, send) => (telemetryOn() ? observed.statement(text, tenant, send) : send()),
    connection: (pool, connect) => (telemetryOn() ? observed.connection(pool, connect) : connect()),
  }
}

/** PostgreSQL's code of an error, or of what became a problem. */
function sqlState(error: unknown): string | undefined {
  const { code, severity, cause } = (error ?? {}) as { code?: string; severity?: string; cause?: unknown }
  return severity ? code : cause ? sqlState(cause) : undefined
}
