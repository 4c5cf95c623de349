/**
 * `node --import @offshoot/telemetry/register …`: sets telemetry up as the environment says, before anything else is loaded. Where it says nothing, nothing is loaded.
 */
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { telemetrySettings } from './settings.ts'

/** `apps/orders/src/main.ts` is the app `orders`. */
const app = basename(dirname(dirname(process.argv[1] ?? ''))) || 'app'

/** The settings of the repository, which the app reads too; the real environment wins. */
const file = join(import.meta.dirname, '../../../../.env')

try {
  if (existsSync(file)) process.loadEnvFile(file)
  const settings = telemetrySettings(process.env, app)
  if (settings) {
    const { startTelemetry } = await import('./sdk.ts')
    await startTelemetry(settings)
  }
} catch (error) {
  const { name, message } = error as Error
  console.error(name === 'TelemetrySettingsError' || name === 'NotInstrumented' ? message : error)
  process.exit(1)
}
