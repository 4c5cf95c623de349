/** The manifests of Kubernetes as an environment gets them: rendered by kubectl, judged by the schemas of their kinds. */
import { execFile, spawnSync } from 'node:child_process'
import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import type { Problem } from '../check/workspace.ts'
import { root } from '../database.ts'
import { run } from '../run.ts'

export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: of any kind; its schema has been checked.
  [field: string]: any
}

/** An environment, below `infra/kubernetes/overlays`. */
export interface Overlay {
  /** Below the root. */
  path: string
  objects: Manifest[]
}

export const nameOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`

/** Why manifests cannot be rendered on this machine; undefined where they can. */
export function whyNotRendered(env = process.env): string | undefined {
  const { status, stdout } = spawnSync('kubectl', ['version', '--client', '--output=json'], { encoding: 'utf8', env })
  if (status !== 0)
    return 'kubectl is not installed; install any version from 1.27 on (https://kubernetes.io/docs/tasks/tools)'
  const version: string = JSON.parse(stdout).kustomizeVersion ?? 'v0'
  if (Number(/\d+/.exec(version)?.[0]) >= 5) return
  return `kubectl is too old: its kustomize is ${version}, and 5 is needed, which kubectl has from 1.27 on`
}

/** All overlays. `directory` is below the root, or absolute. */
export async function renderOverlays(directory = 'infra/kubernetes'): Promise<Overlay[]> {
  const overlays = globSync('overlays/*/kustomization.yaml', { cwd: resolve(root, directory) }).sort()
  if (overlays.length === 0) throw new Error(`There are no overlays in ${directory}.`)
  return Promise.all(overlays.map((file) => render(join(directory, dirname(file)).replaceAll('\\', '/'))))
}

/** `path` is below the root, or absolute. */
export async function render(path: string): Promise<Overlay> {
  const { stdout } = await promisify(execFile)('kubectl', ['kustomize', path], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  })
  const objects = parseAllDocuments(stdout).map((document) => document.toJS() as Manifest)
  return { path, objects: objects.map(unwrapped) }
}

/** Kustomize breaks the lines of long secrets; Kubernetes takes them so, its schema does not. */
function unwrapped(object: Manifest): Manifest {
  if (object.kind !== 'Secret' || !object.data) return object
  const entries = Object.entries<string>(object.data).map(([key, value]) => [key, value.replaceAll('\n', '')])
  return { ...object, data: Object.fromEntries(entries) }
}

const customResources: Record<string, string> = {
  'external-secrets.io': '@kubernetes-models/external-secrets/external-secrets.io',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator/monitoring.coreos.com',
}

/** The module that has a kind's type and its schema. */
function modelOf({ apiVersion, kind }: Manifest): string {
  const [group, version] = apiVersion.split('/') as [string, string?]
  const custom = customResources[group]
  return custom ? `${custom}/${version}/${kind}` : `kubernetes-models/${apiVersion}/${kind}`
}

/** What the schemas of Kubernetes have to say: TypeScript finds fields that do not exist, missing ones and wrong types; the schema formats and ranges. */
export async function schemaProblems(overlays: readonly Overlay[]): Promise<Problem[]> {
  const found: Problem[] = []
  const known: { path: string; object: Manifest }[] = []
  for (const { path, objects } of overlays) {
    for (const object of objects) {
      const of = await import(modelOf(object)).catch(() => undefined)
      if (!of) {
        found.push({ file: path, message: `${nameOf(object)}: ${object.apiVersion} has no kind ${object.kind}` })
        continue
      }
      known.push({ path, object })
      try {
        new of[object.kind](object).validate()
      } catch (error) {
        found.push({ file: path, message: `${nameOf(object)}: ${(error as Error).message}` })
      }
    }
  }
  return [...found, ...(await typeProblems(known))]
}

async function typeProblems(objects: readonly { path: string; object: Manifest }[]): Promise<Problem[]> {
  const lines: string[] = []
  const owners: number[] = []
  for (const [index, { object }] of objects.entries()) {
    const text = `export const o${index} = ${JSON.stringify(object, null, 1)} satisfies import('${modelOf(object)}').I${object.kind}`
    for (const line of text.split('\n')) {
      lines.push(line)
      owners.push(index)
    }
  }
  const directory = join(root, 'scripts/.reports')
  const file = join(directory, `manifests-${process.pid}.ts`)
  mkdirSync(directory, { recursive: true })
  writeFileSync(file, lines.join('\n'))
  try {
    const options = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', '']
    const { code, output } = await run('tsc', [...options, '--target', 'esnext', '--pretty', 'false', file], {
      quiet: true,
    })
    const said = [...output.matchAll(/^.*manifests-\d+\.ts\((\d+),\d+\): error TS\d+: (.*)$/gm)]
    if (code !== 0 && said.length === 0) return [{ file: 'tsc', message: output.trim() }]
    return said.map(([, line, message]) => {
      const { path, object } = objects[owners[Number(line) - 1]!]!
      return { file: path, message: `${nameOf(object)}: ${message}` }
    })
  } finally {
    rmSync(file)
  }
}
