/** The files that are made from the registry of signals, the promises and the alerts. */
import { dashboards } from './dashboards.ts'
import { dashboardModel } from './grafana.ts'
import { ruleFiles, rulesYaml } from './rules.ts'
import { signalsPage } from './signals-page.ts'

export interface GeneratedFile {
  /** Below the root. */
  path: string
  text: string
}

/** By the command that writes them: `npm run telemetry -- docs`. */
export const generated: Readonly<Record<string, () => GeneratedFile[]>> = {
  docs: () => [{ path: 'docs/telemetry.md', text: signalsPage() }],
  rules: () =>
    Object.entries(ruleFiles).map(([name, groups]) => ({
      path: `infra/observability/prometheus/rules/${name}`,
      text: rulesYaml(groups),
    })),
  dashboards: () =>
    dashboards.map((dashboard) => ({
      path: `infra/observability/grafana/dashboards/${dashboard.uid}.json`,
      text: json(dashboardModel(dashboard)),
    })),
}

/** As Biome formats it: lists of words and numbers on one line. */
const json = (value: object) =>
  `${JSON.stringify(value, null, 2).replaceAll(/\[\s+((?:"[^"\n]*"|[\d.]+)(?:,\s+(?:"[^"\n]*"|[\d.]+))*)\s+\]/g, (_, items) => `[${items.replaceAll(/,\s+/g, ', ')}]`)}\n`
