/** The objects of an environment, looked at as what they make: processes of apps, with what each of them is told. */
import type { Deployable } from './deployables.ts'
import { sampleOf } from './environment.ts'
import type { Manifest } from './manifests.ts'

export const workloads = ['Deployment', 'StatefulSet', 'Job']

export class Overview {
  readonly objects: readonly Manifest[]
  readonly apps: readonly Deployable[]

  constructor(objects: readonly Manifest[], apps: readonly Deployable[]) {
    this.objects = objects
    this.apps = apps
  }

  of(...kinds: string[]): Manifest[] {
    return this.objects.filter(({ kind }) => kinds.includes(kind))
  }

  has(name: string, ...kinds: string[]): boolean {
    return this.of(...kinds).some(({ metadata }) => metadata.name === name)
  }

  /** The app of a process, or the migration; undefined for what is not the product's. */
  ownerOf({ metadata, spec }: Manifest): Deployable | 'migrate' | undefined {
    if (metadata.name === 'migrate') return 'migrate'
    return this.apps.find(({ app }) => app === spec.template.metadata.labels['app.kubernetes.io/name'])
  }

  /** Names and values; secrets have the form of theirs. */
  environmentOf(workload: Manifest): Record<string, string> {
    const { env = [], envFrom = [] } = workload.spec.template.spec.containers[0]
    const sets = envFrom.map(({ configMapRef, secretRef }: Record<string, { name: string } | undefined>) => {
      const map = this.of('ConfigMap').find(({ metadata }) => metadata.name === configMapRef?.name)
      const plain = this.of('Secret').find(({ metadata }) => metadata.name === secretRef?.name)
      const external = this.of('ExternalSecret').find(({ metadata }) => metadata.name === secretRef?.name)
      const decoded = Object.entries<string>(plain?.data ?? {}).map(([name, value]) => [
        name,
        Buffer.from(value, 'base64').toString(),
      ])
      const samples = (external?.spec.data ?? []).map(({ secretKey }: { secretKey: string }) => [
        secretKey,
        sampleOf(secretKey) ?? '',
      ])
      return { ...map?.data, ...Object.fromEntries(decoded), ...Object.fromEntries(samples) }
    })
    return Object.assign(
      {},
      ...sets,
      ...env.map(({ name, value }: { name: string; value: string }) => ({ [name]: value })),
    )
  }
}
