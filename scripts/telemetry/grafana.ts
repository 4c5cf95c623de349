/** Dashboards of Grafana, as plain objects: of its model only what ours need. */
import { type Alert, repository, runbookOf } from './alerts.ts'

export type Unit = 'reqps' | 'ops' | 's' | 'percentunit' | 'short' | 'bytes' | 'none'

export interface Query {
  expression: string
  /** `{{domain}}` is the value of a label, as Prometheus names it. */
  legend: string
}

export interface Panel {
  title: string
  about?: string
  unit: Unit
  queries: readonly Query[]
  /** Of the 24 columns. Default 8. */
  width?: number
  /** Default `timeseries`. */
  type?: 'timeseries' | 'stat'
  /** Areas above each other, where the whole says something. */
  stacked?: boolean
  /** Whose thresholds and runbooks belong to what is shown. */
  alerts?: readonly (Pick<Alert, 'name'> & { threshold?: number })[]
  /** Lines besides those of alerts. */
  lines?: readonly number[]
}

export interface Row {
  title: string
  panels: readonly Panel[]
}

export interface Variable {
  name: string
  label: string
  /** Whose values may be chosen. */
  query: string
  /** Several, or all of them. */
  several?: boolean
}

export interface Dashboard {
  /** For good: links lead to it. */
  uid: 'offshoot-overview' | 'offshoot-domain' | 'offshoot-events'
  title: string
  about: string
  variables: readonly Variable[]
  rows: readonly Row[]
}

const datasource = { type: 'prometheus', uid: '$datasource' }
const height = 8

/** As Grafana stores it. */
export function dashboardModel({ uid, title, about, variables, rows }: Dashboard) {
  let id = 0
  let y = 0
  const panels = rows.flatMap((row) => {
    const placed: object[] = [
      { id: ++id, type: 'row', title: row.title, collapsed: false, panels: [], gridPos: { h: 1, w: 24, x: 0, y: y++ } },
    ]
    let x = 0
    for (const panel of row.panels) {
      const { width = 8 } = panel
      if (x + width > 24) {
        x = 0
        y += height
      }
      placed.push({ id: ++id, gridPos: { h: height, w: width, x, y }, ...panelModel(panel) })
      x += width
    }
    y += height
    return placed
  })
  return {
    uid,
    title,
    description: about,
    tags: ['offshoot'],
    schemaVersion: 42,
    version: 1,
    editable: false,
    graphTooltip: 1, // the same moment in all panels
    timezone: 'browser',
    time: { from: 'now-3h', to: 'now' },
    refresh: '30s',
    fiscalYearStartMonth: 0,
    annotations: { list: [firing()] },
    links: [
      {
        type: 'dashboards',
        title: 'Offshoot',
        tags: ['offshoot'],
        asDropdown: false,
        includeVars: true,
        keepTime: true,
        targetBlank: false,
        icon: 'external link',
        tooltip: '',
        url: '',
      },
    ],
    templating: {
      list: [
        {
          name: 'datasource',
          label: 'Prometheus',
          type: 'datasource',
          query: 'prometheus',
          regex: '',
          hide: 0,
          refresh: 1,
        },
        ...variables.map(variableModel),
      ],
    },
    panels,
  }
}

/** When alerts fired, as marks in every panel. */
const firing = () => ({
  name: 'Alerts',
  datasource,
  enable: true,
  iconColor: 'red',
  expr: 'ALERTS{alertstate="firing"}',
  step: '60s',
  titleFormat: '{{alertname}}',
  tagKeys: 'severity,domain',
})

const variableModel = ({ name, label, query, several = false }: Variable) => ({
  name,
  label,
  type: 'query',
  datasource,
  query: { query, refId: 'values' },
  definition: query,
  refresh: 2,
  sort: 1,
  regex: '',
  hide: 0,
  multi: several,
  includeAll: several,
  ...(several && { allValue: '.*', current: { selected: true, text: ['All'], value: ['$__all'] } }),
})

function panelModel({ title, about, unit, queries, type = 'timeseries', stacked, alerts = [], lines = [] }: Panel) {
  const thresholds = [...alerts.flatMap(({ threshold }) => threshold ?? []), ...lines]
  const steps = [
    { color: 'green', value: null },
    ...thresholds
      .sort((a, b) => a - b)
      .map((value, at) => ({ color: at < thresholds.length - 1 ? 'orange' : 'red', value })),
  ]
  return {
    type,
    title,
    description: [about, ...alerts.map(({ name }) => `Alert: ${name}.`)].filter(Boolean).join(' '),
    datasource,
    links: alerts.map(({ name }) => ({
      title: `Runbook of ${name}`,
      url: `${repository}/${runbookOf(name)}`,
      targetBlank: true,
    })),
    targets: queries.map(({ expression, legend }, at) => ({
      refId: String.fromCharCode(65 + at),
      datasource,
      expr: expression,
      legendFormat: legend,
      range: type === 'timeseries',
      instant: type === 'stat',
    })),
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(unit === 'short' && { decimals: 0 }),
        color: { mode: type === 'stat' ? 'thresholds' : 'palette-classic' },
        thresholds: { mode: 'absolute', steps },
        ...(type === 'timeseries' && {
          custom: {
            drawStyle: 'line',
            lineWidth: 1,
            fillOpacity: stacked ? 40 : 8,
            showPoints: 'never',
            stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
            thresholdsStyle: { mode: thresholds.length > 0 ? 'line' : 'off' },
          },
        }),
      },
      overrides: [],
    },
    options:
      type === 'stat'
        ? {
            colorMode: 'value',
            graphMode: 'none',
            reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
          }
        : {
            legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
            tooltip: { mode: 'multi', sort: 'desc' },
          },
  }
}
