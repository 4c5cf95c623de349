/**
 * A deployment: what is configured, then the migrations (which only add, so that what runs goes on), then one Deployment of Kubernetes after the other, each pod by pod. While they roll, and for a
 * while after each, the burn rates of the error budgets are watched; when one is too high, or a Deployment does not become ready, all that were changed go back to what they were. Migrations
 * stay: the version before runs on them.
 */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseAllDocuments, stringify } from 'yaml'
import { burning, DeploymentError } from './burn.ts'

export interface DeploymentOptions {
  /** The folder of the environment's kustomization. */
  overlay: string
  /** By the names that manifests have for them: references with digests. */
  images: ReadonlyMap<string, string>
  prometheus: string
  /** Seconds between two looks. */
  interval: number
  /** Seconds for which a Deployment is watched after it is ready, and within which migrations and Deployments have to end. */
  soak: number
  deadline: number
  log(line: string): void
}

interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string; generation?: number; annotations?: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: of any kind, as Kubernetes has them.
  [field: string]: any
}

/** One file per image, named like it, with its reference. */
export function readImages(folder: string): Map<string, string> {
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8').trim()]))
}

export async function deploy(options: DeploymentOptions): Promise<void> {
  const { log } = options
  const manifests = withImages(await render(options.overlay), options.images)
  const before = await burning(options.prometheus)
  if (before.size > 0)
    throw new DeploymentError(`Nothing was deployed, since error budgets burn already: ${listed(before)}.`)

  const isOf = (kind: string) => (manifest: Manifest) => manifest.kind === kind
  const rest = manifests.filter(({ kind }) => kind !== 'Deployment' && kind !== 'Job')
  await apply(rest)
  log(`${rest.length} objects applied`)
  for (const job of manifests.filter(isOf('Job'))) {
    await runJob(job, options)
    log(`${job.metadata.name} is done`)
  }

  const changed: { manifest: Manifest; revision: string | undefined }[] = []
  try {
    for (const manifest of manifests.filter(isOf('Deployment'))) {
      const now = await find(manifest)
      changed.unshift({ manifest, revision: now && revisionOf(now) })
      await apply([manifest])
      await roll(manifest, options)
      log(`${manifest.metadata.name} runs`)
    }
  } catch (error) {
    log((error as Error).message)
    const left: string[] = []
    for (const { manifest, revision } of changed) {
      await takeBack(manifest, revision, options).catch((reason: Error) =>
        left.push(`${manifest.metadata.name} (${reason.message})`),
      )
    }
    const outcome = left.length > 0 ? `could not all be taken back, look after ${left.join(', ')}` : 'was taken back'
    throw new DeploymentError(`The deployment ${outcome}. ${(error as Error).message}`)
  }
}

async function render(overlay: string): Promise<Manifest[]> {
  return parseAllDocuments(await kubectl(['kustomize', overlay])).map((document) => document.toJS())
}

/** Every container gets exactly what was built: a name without a digest would be whatever it means that day. */
export function withImages(manifests: readonly Manifest[], images: ReadonlyMap<string, string>): Manifest[] {
  return JSON.parse(JSON.stringify(manifests), (key, value) => {
    if (key !== 'image' || typeof value !== 'string') return value
    const image = images.get(value) ?? value
    if (!/@sha256:[0-9a-f]{64}$/.test(image))
      throw new DeploymentError(
        `No digest is given for the image ${image}. There are: ${[...images.keys()].join(', ') || 'none'}.`,
      )
    return image
  })
}

/** A job runs once, so that of the last deployment goes first. */
async function runJob(job: Manifest, options: DeploymentOptions): Promise<void> {
  await kubectl(['delete', ...nameOf(job), '--ignore-not-found', '--wait'])
  await apply([job])
  await until(`The job ${job.metadata.name}`, options, async () => {
    const conditions: { type: string; status: string; message?: string }[] = (await find(job))?.status?.conditions ?? []
    const failed = conditions.find(({ type, status }) => type === 'Failed' && status === 'True')
    if (failed) throw new DeploymentError(`The job ${job.metadata.name} failed: ${failed.message ?? 'see its log'}.`)
    return conditions.some(({ type, status }) => type === 'Complete' && status === 'True')
  })
}

async function roll(manifest: Manifest, options: DeploymentOptions): Promise<void> {
  const { name } = manifest.metadata
  const watch = async () => {
    const burns = await burning(options.prometheus)
    if (burns.size > 0) throw new DeploymentError(`With ${name} error budgets burn: ${listed(burns)}.`)
  }
  await until(name, options, async () => {
    await watch()
    return isReady(await find(manifest))
  })
  for (let passed = 0; passed < options.soak; passed += options.interval) {
    await wait(options.interval * 1000)
    await watch()
  }
}

async function takeBack(manifest: Manifest, revision: string | undefined, options: DeploymentOptions): Promise<void> {
  if (revision === undefined) {
    await kubectl(['delete', ...nameOf(manifest)]) // It was not there before.
    return
  }
  const now = await find(manifest)
  if (now && revisionOf(now) === revision && now.status?.observedGeneration === now.metadata.generation) return
  await kubectl(['rollout', 'undo', ...nameOf(manifest), `--to-revision=${revision}`])
  await until(manifest.metadata.name, options, async () => isReady(await find(manifest)))
}

function isReady(deployment: Manifest | undefined): boolean {
  if (!deployment?.status) return false
  const { metadata, spec, status } = deployment
  const conditions: { reason?: string; message?: string }[] = status.conditions ?? []
  const stuck = conditions.find(({ reason }) => reason === 'ProgressDeadlineExceeded')
  if (stuck) throw new DeploymentError(`${metadata.name} does not become ready: ${stuck.message}`)
  const replicas: number[] = [status.updatedReplicas, status.replicas, status.availableReplicas]
  return status.observedGeneration >= metadata.generation! && replicas.every((count) => count === spec.replicas)
}

async function until(
  what: string,
  { interval, deadline }: DeploymentOptions,
  done: () => Promise<boolean>,
): Promise<void> {
  const end = Date.now() + deadline * 1000
  while (!(await done())) {
    if (Date.now() > end) throw new DeploymentError(`${what} is not ready after ${deadline} s.`)
    await wait(interval * 1000)
  }
}

const revisionOf = ({ metadata }: Manifest) => metadata.annotations?.['deployment.kubernetes.io/revision']

const nameOf = ({ kind, metadata }: Manifest) => [
  `${kind.toLowerCase()}/${metadata.name}`,
  ...(metadata.namespace ? [`--namespace=${metadata.namespace}`] : []),
]

async function find(manifest: Manifest): Promise<Manifest | undefined> {
  const text = await kubectl(['get', ...nameOf(manifest), '--ignore-not-found', '--output=json'])
  return text.trim() ? JSON.parse(text) : undefined
}

const apply = (manifests: readonly Manifest[]) =>
  kubectl(['apply', '--filename=-'], manifests.map((manifest) => stringify(manifest)).join('---\n'))

const listed = (burns: ReadonlyMap<string, number>) =>
  [...burns].map(([slo, factor]) => `${slo} ${factor.toFixed(1)} times as fast as allowed`).join(', ')

function kubectl(args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile('kubectl', args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
      error
        ? reject(new DeploymentError(`kubectl ${args.join(' ')}: ${stderr.trim() || error.message}`))
        : resolve(stdout),
    )
    child.stdin!.on('error', () => {}) // It did not read it all; its exit code says why.
    child.stdin!.end(input)
  })
}
