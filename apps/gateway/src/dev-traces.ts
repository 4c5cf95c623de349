import type { RecentTraces, RecordedSpan, RecordedTrace, TraceSummary } from '@offshoot/telemetry/recent-traces'
import { type Request, Router } from 'express'
import { escapeHtml, page } from './page.ts'

/** For development: what the last requests did, and what happened because of them. */
export function devTraces(traces: RecentTraces): Router {
  const router = Router()
  router.get('/dev/traces', (request, response) => {
    const filter = {
      tenant: text(request, 'tenant'),
      operation: text(request, 'operation'),
      failed: text(request, 'failed') !== '',
    }
    const found = traces.list(filter)
    if (request.accepts(['html', 'json']) === 'json') return void response.json(found)
    response.send(page('Traces', listPage(found, filter)))
  })
  router.get('/dev/traces/:id', (request, response) => {
    const trace = traces.find(request.params.id)
    const json = request.accepts(['html', 'json']) === 'json'
    if (!trace) {
      const message = 'There is no such trace. The last 200 are kept, in memory, until the process ends.'
      response.status(404)
      if (json)
        return void response.json({
          errors: [{ message, extensions: { code: 'NOT_FOUND', reason: 'TRACE_NOT_FOUND' } }],
        })
      return void response.send(
        page('Trace', `${style}<p><a href="/dev/traces">Traces</a></p><h1>No such trace</h1><p>${message}</p>`),
      )
    }
    if (json) return void response.json(trace)
    response.send(page('Trace', tracePage(trace)))
  })
  return router
}

const text = ({ query }: Request, name: string) => (typeof query[name] === 'string' ? query[name].trim() : '')

interface Filter {
  tenant: string
  operation: string
  failed: boolean
}

function listPage(found: readonly TraceSummary[], { tenant, operation, failed }: Filter): string {
  const longest = Math.max(1, ...found.map(({ duration }) => duration))
  const rows = found.map(
    (trace) => `<tr${trace.failures > 0 ? ' class="failed"' : ''}>
<td class="when"><time datetime="${new Date(trace.start).toISOString()}">${clock(trace.start)}</time></td>
<td><a href="/dev/traces/${trace.id}">${escapeHtml(trace.name)}</a>${trace.failures > 0 ? ` <span class="mark">${trace.failures} failed</span>` : ''}</td>
<td class="bar"><div class="meter"><div style="width:${percent(trace.duration / longest)}"></div></div>${duration(trace.duration)}</td>
<td class="number">${trace.spans}</td>
<td>${trace.domains.map(chip).join(' ')}</td>
<td>${trace.tenants.map((id) => `<code title="${escapeHtml(id)}">…${escapeHtml(id.slice(-6))}</code>`).join(' ')}</td></tr>`,
  )
  return `${style}<header><h1>Traces</h1><p>The last 200, newest first: what requests did, and what happened because of them. Kept in memory, in development only.</p></header>
<form method="get" action="/dev/traces">
<label>operation <input name="operation" value="${escapeHtml(operation)}" placeholder="placeOrder"></label>
<label>tenant <input name="tenant" value="${escapeHtml(tenant)}" placeholder="its id"></label>
<label><input type="checkbox" name="failed" value="1"${failed ? ' checked' : ''}> failed</label>
<button>Show</button>${tenant || operation || failed ? ' <a href="/dev/traces">all</a>' : ''}
</form>
${
  rows.length === 0
    ? '<p>None yet. Send something to <a href="/graphql">/graphql</a>.</p>'
    : `<table class="traces"><thead><tr><th>at</th><th>began with</th><th>took</th><th>spans</th><th>domains</th><th>tenant</th></tr></thead><tbody>${rows.join('')}</tbody></table>`
}`
}

/** A stretch of the time axis: the whole trace, less the time in which nothing of it happened. */
interface Axis {
  /** 0 … 1. */
  at(time: number): number
  /** In ms since the epoch, where something was left out, and for how long. */
  breaks: { at: number; left: number }[]
  total: number
}

/** Longer than this nothing is drawn for what did not happen, in ms. */
const longestGap = 60

function axisOf(spans: readonly RecordedSpan[]): Axis {
  const busy: { from: number; to: number }[] = []
  for (const { start, duration } of spans) {
    const last = busy.at(-1)
    if (last && start <= last.to + longestGap) last.to = Math.max(last.to, start + duration)
    else busy.push({ from: start, to: start + duration })
  }
  const pause = Math.max(1, busy.reduce((sum, { from, to }) => sum + to - from, 0) * 0.04)
  const stretches: { from: number; to: number; drawn: number }[] = []
  let drawn = 0
  for (const { from, to } of busy) {
    stretches.push({ from, to, drawn })
    drawn += to - from + pause
  }
  const total = Math.max(0.001, drawn - pause)
  return {
    total,
    at(time) {
      const stretch = stretches.findLast(({ from }) => from <= time) ?? stretches[0]!
      return Math.min(1, (stretch.drawn + Math.min(time, stretch.to) - stretch.from) / total)
    },
    breaks: stretches.slice(1).map(({ from }, at) => ({ at: from, left: from - stretches[at]!.to })),
  }
}

function tracePage({ id, name, spans, dropped }: RecordedTrace): string {
  const known = new Set(spans.map((span) => span.id))
  const children = Map.groupBy(spans, ({ parent }) => (parent && known.has(parent) ? parent : ''))
  const axis = axisOf(spans)
  const first = spans[0]!
  const end = Math.max(...spans.map((span) => span.start + span.duration))
  const rows: string[] = []
  // Handlers come after all of what caused them, one step to the right of where that began: in the order of time, and with room for names.
  const add = (span: RecordedSpan, depth: number, caused: RecordedSpan[]) => {
    rows.push(rowOf(span, depth, axis, first.start))
    for (const child of children.get(span.id) ?? []) {
      if (child.kind === 'consumer') caused.push(child)
      else add(child, depth + 1, caused)
    }
  }
  const addAll = (begun: readonly RecordedSpan[], depth: number) => {
    for (const span of begun) {
      const caused: RecordedSpan[] = []
      add(span, depth, caused)
      addAll(
        caused.toSorted((a, b) => a.start - b.start),
        depth + 1,
      )
    }
  }
  addAll(children.get('') ?? [], 0)
  const domains = [...new Set(spans.flatMap(({ attributes }) => attributes.domain ?? []))].sort()
  const breaks = axis.breaks.map(
    ({ at, left }) =>
      `<i style="margin-left:${percent(axis.at(at))}" title="${duration(left)} in which nothing happened">${duration(left)}</i>`,
  )
  return `${style}<p><a href="/dev/traces">Traces</a></p>
<header><h1>${escapeHtml(name)}</h1>
<p>${clock(first.start)}, <strong>${duration(end - first.start)}</strong>, ${spans.length} spans${dropped ? ` and ${dropped} more that were not kept` : ''} · <code>${escapeHtml(id)}</code></p>
<p>${domains.map(chip).join(' ')}</p></header>
<div class="waterfall"><div class="axis"><span>0</span>${breaks.join('')}<span>${duration(end - first.start)}</span></div>${rows.join('')}</div>`
}

function rowOf(span: RecordedSpan, depth: number, axis: Axis, began: number): string {
  const from = axis.at(span.start)
  const to = axis.at(span.start + span.duration)
  const { domain, 'messaging.consumer.group.name': handler } = span.attributes
  const attributes = Object.entries(span.attributes).sort(([a], [b]) => (a < b ? -1 : 1))
  const events = span.events.map(
    ({ name, at, attributes }) =>
      `<p class="event"><strong>${escapeHtml(name)}</strong> at ${duration(at - began)}</p>${tableOf(Object.entries(attributes))}`,
  )
  const links = span.links.map(
    ({ trace }) => `<a href="/dev/traces/${escapeHtml(trace)}"><code>${escapeHtml(trace)}</code></a>`,
  )
  return `<details class="span${span.failed ? ' failed' : ''}${span.kind === 'consumer' ? ' handler' : ''}"><summary>
<span class="name" style="padding-left:${Math.min(depth, 20) * 0.9}rem">${domain ? chip(domain) : `<b class="chip plain">${span.kind}</b>`} ${escapeHtml(span.name)}${handler ? ` <i>${escapeHtml(handler)}</i>` : ''}</span>
<span class="took">${duration(span.duration)}</span>
<span class="track"><span style="${domain ? `--hue:${hueOf(domain)};` : '--saturation:0%;'}margin-left:${percent(from)};width:${percent(to - from)}"></span></span></summary>
<div class="told"><p>${escapeHtml(span.kind)}, from ${duration(span.start - began)} on${span.failed ? ', <strong class="mark">failed</strong>' : ''}</p>${tableOf(attributes)}${events.join('')}${links.length > 0 ? `<p>links to ${links.join(', ')}</p>` : ''}</div></details>`
}

function tableOf(entries: readonly [string, string][]): string {
  if (entries.length === 0) return ''
  return `<table>${entries.map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td><code>${escapeHtml(value)}</code></td></tr>`).join('')}</table>`
}

const chip = (domain: string) => `<b class="chip" style="--hue:${hueOf(domain)}">${escapeHtml(domain)}</b>`

/** A hue for each domain, the same each time, whichever there are. */
function hueOf(domain: string): number {
  let hue = 0
  for (const character of domain) hue = (hue * 212 + character.charCodeAt(0)) % 360
  return hue
}

const percent = (part: number) => `${(part * 100).toFixed(2)}%`
const clock = (time: number) => new Date(time).toISOString().slice(11, 23)

function duration(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1_000)} µs`
  if (ms < 1_000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`
}

const style = `<style>
body{max-width:82rem}
form{display:flex;flex-wrap:wrap;gap:.6rem 1.2rem;align-items:center;margin:1.2rem 0}
input:not([type=checkbox]){font:inherit;padding:.3rem .6rem;border:1px solid var(--line);border-radius:.5rem;background:none;color:inherit}
.traces td,.traces th{white-space:nowrap}.traces td:nth-child(2){white-space:normal;overflow-wrap:anywhere;min-width:12rem}.traces tbody tr:hover{background:color-mix(in srgb,var(--accent) 7%,transparent)}
.when{font-variant-numeric:tabular-nums;opacity:.7}.number{text-align:right}
.bar{min-width:9rem}.meter{display:inline-block;width:5rem;height:.5rem;border-radius:.25rem;background:var(--line);margin-right:.6rem;overflow:hidden}
.meter div{height:100%;background:var(--accent);border-radius:.25rem}
.mark{color:#b3402e;font-weight:600;font-size:.85em}
.chip{display:inline-block;font:600 .7rem/1.5 system-ui,sans-serif;padding:0 .5rem;border-radius:1rem;color:hsl(var(--hue) 55% 30%);background:hsl(var(--hue) 60% 50% / .18)}
.chip.plain{color:inherit;background:var(--line);font-weight:400;opacity:.75}
.waterfall{margin-top:1.2rem;border:1px solid var(--line);border-radius:.6rem;overflow:hidden}
.axis,.span summary{display:grid;grid-template-columns:minmax(13rem,38%) 4.5rem 1fr;align-items:center}
.axis{position:relative;font-size:.75rem;opacity:.75;padding:.3rem .8rem;border-bottom:1px solid var(--line)}
.axis span:first-child{grid-column:3;grid-row:1;justify-self:start}.axis span:last-child{grid-column:3;grid-row:1;justify-self:end}
.axis i{grid-column:3;grid-row:1;font-style:normal;width:0;white-space:nowrap;border-left:2px dotted var(--accent);padding-left:.25rem;color:var(--accent)}
.span summary{list-style:none;cursor:pointer;padding:.14rem .8rem;font-size:.84rem}.span summary::-webkit-details-marker{display:none}
.span summary:hover,.span[open] summary{background:color-mix(in srgb,var(--accent) 9%,transparent)}
.span summary:focus-visible{outline:2px solid var(--accent);outline-offset:-2px}
.handler{border-top:1px solid var(--line)}.name i{opacity:.7}
.name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.took{text-align:right;padding-right:.8rem;font-variant-numeric:tabular-nums;opacity:.75;font-size:.78rem}
.track{display:block;height:.8rem;border-radius:.2rem;background:linear-gradient(90deg,var(--line) 1px,transparent 1px) 0/25% 100%}
.track span{display:block;height:100%;min-width:2px;border-radius:.2rem;background:hsl(var(--hue,0) var(--saturation,52%) 50%)}
.failed .name{color:#b3402e;font-weight:600}.failed .track span{background:#c8452f}
.told{padding:.4rem 1rem 1rem 2rem;border-bottom:1px solid var(--line);font-size:.84rem}.told th{font-weight:400;opacity:.75;width:16rem}.told td{overflow-wrap:anywhere}.told p{margin:.3rem 0}
@media (prefers-color-scheme:dark){.chip{color:hsl(var(--hue) 60% 78%)}.chip.plain{color:inherit}.mark,.failed .name{color:#ee8572}}
@media (max-width:48rem){.axis,.span summary{grid-template-columns:1fr 4rem}.axis{display:none}.track{grid-column:1/3}.traces td:nth-child(4),.traces th:nth-child(4),.traces td:nth-child(6),.traces th:nth-child(6){display:none}.traces td:nth-child(5),.traces th:nth-child(5){display:none}.bar{min-width:0}.meter{display:block;width:4rem}.traces td:nth-child(2){white-space:normal;overflow-wrap:anywhere}.told th{width:auto}}</style>`
