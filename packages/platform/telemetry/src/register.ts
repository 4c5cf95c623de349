/**
 * `node --import @offshoot/telemetry/register …`: sets telemetry up as the environment says, before anything else is loaded. Where it says nothing, nothing is loaded.
 */
import { basename, dirname } from 'node:path'
import { TelemetrySettingsError, telemetrySettings } from './settings.ts'

/** `apps/orders/src/main.ts` is the app `orders`. */
const app = basename(dirname(dirname(process.argv[1] ?? ''))) || 'app'

try {
  const settings = telemetrySettings(process.env, app)
  if (settings) {
    const { startTelemetry } = await import('./sdk.ts')
    await startTelemetry(settings)
  }
} catch (error) {
  console.error(error instanceof TelemetrySettingsError ? error.message : error)
  process.exit(1)
}
