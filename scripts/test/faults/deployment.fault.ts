/** Deployments against a stand-in for a cluster and one for Prometheus: programs that keep a state, as the real ones do. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { domains } from '@offshoot/gateway/domains'
import { readTopology } from '@offshoot/host/topology'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { root } from '../../database.ts'
import { burning, burnLimit, burnQuery } from '../../deployment/burn.ts'
import { type DeploymentOptions, deploy, readImages, withImages } from '../../deployment/deployment.ts'
import { deployables } from '../../infrastructure/deployables.ts'
import { renderOverlays, whyNotRendered } from '../../infrastructure/manifests.ts'

const directory = mkdtempSync(join(tmpdir(), 'offshoot-deployment-'))
const stateFile = join(directory, 'state.json')

interface State {
  /** What kubectl was told, in order: applied objects by their names, other commands by their words. */
  told: string[]
  objects: Record<string, Stored>
  /** What happens: Deployments that never become ready, and jobs that fail. */
  stuck: string[]
  failing: string[]
}
interface Stored {
  image: string
  generation: number
  revision: number
  images: Record<string, string>
}

/** Deployments are ready at the second look; revisions are kept, as `rollout undo` needs them. */
const kubectl = `#!${process.execPath}
const fs = require('node:fs')
const state = JSON.parse(fs.readFileSync(${JSON.stringify(stateFile)}, 'utf8'))
const [command, ...args] = process.argv.slice(2)
const done = (text = '') => { fs.writeFileSync(${JSON.stringify(stateFile)}, JSON.stringify(state)); process.stdout.write(text); process.exit() }
const name = args.find((one) => one.includes('/'))
const store = (key, image) => {
  const old = state.objects[key]
  if (old?.image === image) return
  const revision = (old?.revision ?? 0) + 1
  state.objects[key] = { image, looks: 0, generation: (old?.generation ?? 0) + 1, revision, images: { ...old?.images, [revision]: image } }
}
if (command === 'kustomize') done(fs.readFileSync(args[0] + '/all.yaml', 'utf8'))
if (command === 'apply') {
  for (const text of fs.readFileSync(0, 'utf8').split('---\\n')) {
    const key = /^kind: (.*)$/m.exec(text)[1].toLowerCase() + '/' + /name: (.*)$/m.exec(text)[1]
    state.told.push('apply ' + key)
    store(key, /image: (.*)$/m.exec(text)?.[1])
  }
  done()
}
if (command === 'get') {
  const it = state.objects[name]
  if (!it) done()
  it.looks++
  const ready = it.looks > 1 && !(state.stuck.includes(name) && it.image.includes('new'))
  const conditions = name.startsWith('job/') && it.looks > 1
    ? [state.failing.includes(name) ? { type: 'Failed', status: 'True', message: 'exit code 1' } : { type: 'Complete', status: 'True' }]
    : state.stuck.includes(name) && it.looks > 3 ? [{ reason: 'ProgressDeadlineExceeded', message: 'its pods crash' }] : []
  done(JSON.stringify({
    kind: 'Deployment',
    metadata: { name: name.split('/')[1], generation: it.generation, annotations: { 'deployment.kubernetes.io/revision': String(it.revision) } },
    spec: { replicas: 2 },
    status: { observedGeneration: it.generation, replicas: 2, updatedReplicas: ready ? 2 : 1, availableReplicas: 2, conditions },
  }))
}
state.told.push([command, ...args].join(' '))
if (command === 'delete') delete state.objects[name]
if (command === 'rollout') store(name, state.objects[name].images[args.at(-1).split('=')[1]])
done()
`

const digest = (letter: string) => `registry.example.com/product-gateway@sha256:${letter.repeat(64)}`
const objects = `kind: ConfigMap
metadata: { name: settings, namespace: product }
---
kind: Job
metadata: { name: migrate, namespace: product }
spec: { template: { spec: { containers: [{ image: product-gateway }] } } }
---
kind: Deployment
metadata: { name: gateway-http, namespace: product }
spec: { template: { spec: { containers: [{ image: product-gateway }] } } }
---
kind: Deployment
metadata: { name: gateway-worker, namespace: product }
spec: { template: { spec: { containers: [{ image: product-gateway }] } } }
`

let prometheus: Server
/** How fast budgets burn, by objective, one after the other; the last stays. */
let burns: Record<string, number>[]
let lines: string[]
let options: DeploymentOptions

const state = (): State => JSON.parse(readFileSync(stateFile, 'utf8'))
const begin = (more: Partial<State> = {}) => {
  const old = { image: 'old', generation: 3, revision: 3, images: { 2: 'older', 3: 'old' } }
  const running = { 'deployment/gateway-http': old, 'deployment/gateway-worker': old }
  writeFileSync(
    stateFile,
    JSON.stringify({ told: [], objects: running, stuck: [], failing: [], ...more } satisfies State),
  )
}
const running = () =>
  Object.fromEntries(
    Object.entries(state().objects)
      .filter(([name]) => name.startsWith('deployment/'))
      .map(([name, { image }]) => [name.split('/')[1], image]),
  )

beforeAll(async () => {
  mkdirSync(join(directory, 'overlay'))
  mkdirSync(join(directory, 'bin'))
  mkdirSync(join(directory, 'images'))
  writeFileSync(join(directory, 'bin/kubectl'), kubectl, { mode: 0o755 })
  writeFileSync(join(directory, 'images/product-gateway'), `${digest('a')}\n`)
  prometheus = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://prometheus')
    if (pathname !== '/api/v1/query' || searchParams.get('query') !== burnQuery) {
      response.writeHead(400).end(JSON.stringify({ status: 'error', error: 'what?' }))
      return
    }
    const now = burns.length > 1 ? burns.shift()! : burns[0]!
    const result = Object.entries(now).map(([slo, factor]) => ({ metric: { slo }, value: [0, String(factor)] }))
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }))
  })
  await new Promise<void>((resolve) => {
    prometheus.listen(0, '127.0.0.1', resolve)
  })
})
afterAll(() => {
  prometheus.close()
  rmSync(directory, { recursive: true })
})
beforeEach(() => {
  writeFileSync(join(directory, 'overlay/all.yaml'), objects)
  burns = [{ availability: 0.4, latency: Number.NaN }]
  lines = []
  options = {
    overlay: join(directory, 'overlay'),
    images: readImages(join(directory, 'images')),
    prometheus: `http://127.0.0.1:${(prometheus.address() as AddressInfo).port}`,
    interval: 0.01,
    soak: 0.03,
    deadline: 10,
    log: (line) => lines.push(line),
  }
  begin()
})
afterEach(() => vi.unstubAllEnvs())

describe('a deployment', () => {
  beforeEach(() => {
    vi.stubEnv('PATH', `${join(directory, 'bin')}${delimiter}${process.env.PATH}`)
  })

  it('configures, migrates, and then rolls one Deployment after the other, to what was built', async () => {
    await deploy(options)
    expect(state().told).toEqual([
      'apply configmap/settings',
      'delete job/migrate --namespace=product --ignore-not-found --wait',
      'apply job/migrate',
      'apply deployment/gateway-http',
      'apply deployment/gateway-worker',
    ])
    expect(running()).toEqual({ 'gateway-http': digest('a'), 'gateway-worker': digest('a') })
    expect(lines).toEqual(['1 objects applied', 'migrate is done', 'gateway-http runs', 'gateway-worker runs'])
  })

  it('rolls nothing when migrations fail', async () => {
    begin({ failing: ['job/migrate'] })
    await expect(deploy(options)).rejects.toThrow('The job migrate failed: exit code 1.')
    expect(running()).toEqual({ 'gateway-http': 'old', 'gateway-worker': 'old' })
  })

  it('takes everything back, the last first, when a budget burns', async () => {
    burns = [{ availability: 0 }, ...Array(8).fill({ availability: 1 }), { availability: burnLimit + 1 }]
    await expect(deploy(options)).rejects.toThrow(
      /^The deployment was taken back\. With gateway-\w+ error budgets burn: availability 15\.4 times as fast as allowed\.$/,
    )
    expect(running()).toEqual({ 'gateway-http': 'old', 'gateway-worker': 'old' })
    const undone = state().told.filter((told) => told.startsWith('rollout'))
    expect(undone).toEqual([
      'rollout undo deployment/gateway-worker --namespace=product --to-revision=3',
      'rollout undo deployment/gateway-http --namespace=product --to-revision=3',
    ])
  })

  it('takes back what does not become ready, and does not touch what comes after it', async () => {
    options.images = new Map([['product-gateway', digest('a').replace('registry', 'new')]])
    begin({ stuck: ['deployment/gateway-http'] })
    await expect(deploy(options)).rejects.toThrow(
      'The deployment was taken back. gateway-http does not become ready: its pods crash',
    )
    expect(running()).toEqual({ 'gateway-http': 'old', 'gateway-worker': 'old' })
    expect(state().told).not.toContain('apply deployment/gateway-worker')
  })

  it('takes away what was not there before', async () => {
    begin({ objects: {} })
    burns = [{ availability: 0 }, { availability: 99 }]
    await expect(deploy(options)).rejects.toThrow('The deployment was taken back.')
    expect(running()).toEqual({})
  })

  it('leaves a Deployment alone that is what it was', async () => {
    await deploy(options)
    burns = [{ availability: 0 }, { availability: 99 }]
    await expect(deploy(options)).rejects.toThrow('was taken back')
    expect(state().told.filter((told) => told.startsWith('rollout'))).toEqual([])
  })

  it('is taken back when nobody can say any more how it goes', async () => {
    burns = [{ availability: 0 }, {}]
    await expect(deploy(options)).rejects.toThrow(
      /was taken back\. .* has no series slo:error_ratio:rate5m: load infra\/observability\/prometheus\/rules/,
    )
  })

  it('is not begun while budgets burn, while Prometheus is away, or with an image that is not known exactly', async () => {
    burns = [{ latency: 20 }]
    await expect(deploy(options)).rejects.toThrow(
      'Nothing was deployed, since error budgets burn already: latency 20.0 times',
    )
    await expect(deploy({ ...options, prometheus: 'http://127.0.0.1:1' })).rejects.toThrow(
      /^Prometheus cannot be asked at http:/,
    )
    await expect(deploy({ ...options, images: new Map([['other', digest('a')]]) })).rejects.toThrow(
      'No digest is given for the image product-gateway. There are: other.',
    )
    expect(state().told).toEqual([])
  })
})

const why = whyNotRendered()
if (why) console.warn(`Skipped: the environments that there are. ${why}`)

it.skipIf(why !== undefined)('every image of the environments that there are is one that pipelines build', async () => {
  const images = deployables(domains, readTopology(join(root, 'topology.json'))).map(({ image }) => image)
  const overlays = (await renderOverlays()).filter(({ path }) => /\/(staging|production)$/.test(path))
  expect(overlays).toHaveLength(2)
  for (const { objects } of overlays) {
    const text = JSON.stringify(withImages(objects, new Map(images.map((image) => [image, digest('a')]))))
    for (const image of images) expect(text).not.toContain(`"${image}"`)
    expect(text.split(digest('a')).length - 1).toBeGreaterThan(2)
  }
})

describe('what burns', () => {
  it('is what burns faster than what wakes somebody up', async () => {
    burns = [{ availability: burnLimit, latency: burnLimit + 0.1, delay: Number.NaN }]
    expect([...(await burning(options.prometheus)).keys()]).toEqual(['latency'])
  })

  const installed = spawnSync('promtool', ['--version']).status === 0
  if (!installed)
    console.warn('Skipped: the query of burn rates. promtool, of Debian’s package prometheus, is not installed.')

  it.skipIf(!installed)('is computed from the recorded rules as Prometheus does', () => {
    const file = join(directory, 'burn.yaml')
    // 2 % of operations fail with errors of ours, of which 0.1 % may: 20 times as fast as allowed.
    const test = {
      rule_files: [join(root, 'infra/observability/prometheus/rules/slos.yaml')],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: [
            { series: 'graphql_server_operation_duration_count{error_type="INTERNAL"}', values: '0+2x20' },
            { series: 'graphql_server_operation_duration_count', values: '0+98x20' },
          ],
          promql_expr_test: [
            {
              expr: `round(${burnQuery}, 0.1) > ${burnLimit}`,
              eval_time: '20m',
              exp_samples: [{ labels: '{slo="graphql-availability"}', value: 20 }],
            },
          ],
        },
      ],
    }
    writeFileSync(file, JSON.stringify(test))
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' })
    expect(status, stdout + stderr).toBe(0)
  })
})
