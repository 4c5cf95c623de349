/** Logs what people may have typed, and what nobody may read. */
import { inSpan, runningTelemetry } from '@offshoot/telemetry'
import { createLogger } from '../../src/logger.ts'

const log = createLogger({ level: 'info', production: process.env.NODE_ENV === 'production' })
const typed = '\r\n[12:00:00.000] INFO: forged\u001b[2K\u009b2K\u2028forged'
log.info(typed)
log.info({ typed, nested: [{ typed }], [typed]: 1 }, 'fields')
log.child({ bound: typed }).warn('a %s', typed)
log.error({ err: new Error(typed, { cause: Object.assign(new Error(typed), { code: typed }) }) }, 'failed')
log.error({ stack: typed, message: typed, type: 'Error' }, 'odd')
await inSpan('rpc.call', 'orders.place', {}, async () => {
  log.info({ password: 'CANARY', user: { email: 'CANARY@acme.test' }, tenant: 'acme' }, 'within a trace')
})
await runningTelemetry()?.shutdown()
