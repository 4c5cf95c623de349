import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { domains } from '@offshoot/gateway/domains'
import { gateway, type Topology, together } from '@offshoot/host/topology'
import { afterAll, describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { root } from '../database.ts'
import { composeProblems } from '../infrastructure/compose.ts'
import { deployables } from '../infrastructure/deployables.ts'
import { infrastructure, leftovers } from '../infrastructure/generated.ts'
import { terraformProblems, whyNotValidated } from '../infrastructure/terraform.ts'

const messages = (problems: readonly { message: string }[]) => problems.map(({ message }) => message)

const temporary = mkdtempSync(join(tmpdir(), 'offshoot-stack-'))
afterAll(() => rmSync(temporary, { recursive: true }))

describe('what is written for a topology', () => {
  const apart: Topology = {
    apps: Object.fromEntries(domains.map(({ name }, index) => [name, { port: 4101 + index, domains: [name] }])),
  }

  it('is a folder for each app, and a service of the stack', () => {
    const files = infrastructure(domains, apart)
    expect(files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(
        [gateway, ...domains.map(({ name }) => name)].map((app) => `infra/kubernetes/apps/${app}/kustomization.yaml`),
      ),
    )
    const compose = files.find(({ path }) => path === 'infra/compose.yaml')!.text
    for (const { app, image, dockerfile } of deployables(domains, apart))
      expect(compose).toContain(
        `  ${app}:\n    <<: *app\n    image: ${image}\n    build: { context: .., dockerfile: ${dockerfile} }\n`,
      )
    expect(compose).toContain("GATEWAY_URL: 'http://gateway:4100'")
  })

  it('leaves nothing behind of an app that is no more', () => {
    const files = infrastructure(domains, together).filter(({ path }) => !path.includes(`/apps/${gateway}/`))
    expect(leftovers(files, false)).toEqual([
      {
        file: 'infra/kubernetes/apps/gateway/kustomization.yaml',
        message: expect.stringContaining('is not written for an app of the topology'),
      },
    ])
  })
})

describe('the stack', () => {
  const apps = deployables(domains, together)
  const compose = (edit: (text: string) => string) => {
    const text = readFileSync(join(root, 'infra/compose.yaml'), 'utf8')
    const changed = edit(text)
    expect(changed).not.toBe(text)
    const file = join(temporary, 'compose.yaml')
    writeFileSync(file, changed)
    return messages(composeProblems(file, apps))
  }

  it('is right as it is', () => expect(composeProblems('infra/compose.yaml', apps)).toEqual([]))

  it.each<[what: string, from: string, to: string, said: string]>([
    ['an unknown key', 'read_only: true\n    depends_on', 'read_olny: true\n    depends_on', 'read_olny'],
    ['a port that is open to the network', '127.0.0.1:5432:5432', '5432:5432', '[no-unbound-port-interfaces]'],
    [
      'a container as root',
      'image: postgres:18.4',
      'image: postgres:18.4\n    user: root',
      'services.postgres: runs as root',
    ],
    ['an image without a version', 'nats:2.12.8-alpine', 'nats', 'services.nats: runs nats, which must name a version'],
    [
      'a setting that nobody reads',
      "INTERNAL_PORT: '4100'",
      "INTERNAL_PORTS: '4100'",
      'services.gateway: names INTERNAL_PORTS, which no process reads',
    ],
    ['a setting that cannot be', 'nats://nats:4222', 'http://nats:4222', 'services.gateway: NATS_URL: must be nats://'],
    ['an app that is missing', '  gateway:\n', '  shop:\n', 'services: gateway is missing; the topology has it'],
    [
      'a Dockerfile that is another’s',
      'dockerfile: Dockerfile',
      'dockerfile: apps/shop/Dockerfile',
      'services.gateway: is built by apps/shop/Dockerfile; its Dockerfile is Dockerfile',
    ],
    [
      'a file that is not there',
      './observability/tempo.yaml',
      './observability/none.yaml',
      'services.tempo: mounts ./observability/none.yaml, which is not there',
    ],
  ])('is not, with %s', (_, from, to, said) => {
    expect(compose((text) => text.replace(from, to))).toContainEqual(expect.stringContaining(said))
  })
})

const unvalidated = whyNotValidated()
if (unvalidated) console.warn(`Not judged: the modules of Terraform. ${unvalidated}`)
// No registry of packages has Terraform: where it is not, these are not tests that were skipped.
else
  describe('Terraform', () => {
    it.each<[what: string, from: string, to: string, said: RegExp]>([
      [
        'an unknown argument',
        'type        = number',
        'typ         = number',
        /terraform init: .*An argument named "typ" is not expected here/s,
      ],
      ['a module that is not formatted', 'type        = number', 'type = number', /is not formatted/],
      [
        'a requirement that its tests know otherwise',
        'per_domain  = 25',
        'per_domain  = 24',
        /terraform test: .*six domains/s,
      ],
    ])('finds %s', async (_, from, to, said) => {
      const directory = join(temporary, 'requirements')
      cpSync(join(root, 'infra/terraform/requirements'), directory, { recursive: true })
      const file = join(directory, 'main.tf')
      writeFileSync(file, readFileSync(file, 'utf8').replace(from, to))
      expect(messages(await terraformProblems(directory))).toEqual([expect.stringMatching(said)])
    })
  })

describe('the collector', () => {
  it('has pipelines of parts that it has, bounded in memory first', () => {
    const { service, ...parts } = parse(readFileSync(join(root, 'infra/observability/collector.yaml'), 'utf8'))
    for (const pipeline of Object.values<Record<string, string[]>>(service.pipelines)) {
      for (const [kind, names] of Object.entries(pipeline))
        expect(Object.keys(parts[kind])).toEqual(expect.arrayContaining(names))
      expect(pipeline.processors![0]).toBe('memory_limiter')
    }
  })
})

describe('what Terraform hands over', () => {
  const read = (file: string) => readFileSync(join(root, 'infra', file), 'utf8')

  it('is what External Secrets asks for', () => {
    const asked = parseAllDocuments(read('kubernetes/base/secrets.yaml')).flatMap((document) =>
      document.toJS().spec.data.map(({ remoteRef }: { remoteRef: { key: string } }) => remoteRef.key),
    )
    const given = [...read('terraform/secrets/main.tf').matchAll(/^ {4}([A-Z_]+) +=/gm)].map(([, name]) => name)
    expect(given).toEqual([...new Set(asked)].sort())
  })

  it('is asked for by what a process takes', () => {
    const { requests, limits } = parse(read('kubernetes/app/process.yaml')).spec.template.spec.containers[0].resources
    const needs = read('terraform/requirements/main.tf')
    expect(needs).toContain(`local.replicas * ${parseInt(limits.memory, 10)}\n`)
    expect(needs).toContain(`local.replicas * ${parseInt(requests.cpu, 10) / 1000}\n`)
  })
})
