/** `npm run telemetry`: what is made from the registry of signals. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './database.ts'
import { generated } from './telemetry/generated.ts'

const USAGE = `Usage:
  npm run telemetry -- docs [--write]         every span and metric; --write: into docs/telemetry.md
  npm run telemetry -- rules [--write]        Prometheus' recording rules and alerts; --write: into infra/observability/prometheus
  npm run telemetry -- dashboards [--write]   Grafana's dashboards; --write: into infra/observability/grafana`

const [name = '', ...args] = process.argv.slice(2)
const write = args.length === 1 && args[0] === '--write'
const files = Object.hasOwn(generated, name) ? generated[name] : undefined
if (!files || (args.length > 0 && !write)) {
  console.error(`${files ? '' : `There is no command 'telemetry ${name}'.\n\n`}${USAGE}`)
  process.exit(2)
}
for (const { path, text } of files()) {
  if (write) writeFileSync(join(root, path), text)
  console.log(write ? `Written: ${path}` : text)
}
