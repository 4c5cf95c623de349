import type { Flag } from '@offshoot/flags'
import { isStale, rollout } from '@offshoot/flags/runtime'

export interface UnleashAdmin {
  /** `https://unleash.example.com/api` */
  api: string
  /** An admin token. */
  token: string
  project?: string
}

interface Environment {
  name: string
  enabled: boolean
  strategies: unknown[]
}

/**
 * Tells an Unleash server of the declared flags: what they are and, in each environment in which it has never heard of them, their defaults. How they stand there is
 * never changed, so it can be repeated with every deployment; an environment in which a flag has no strategy at all has never heard of it. What the server has beyond that is left alone. Answers with the keys that were new.
 */
export async function importFlags(
  flags: Iterable<Flag>,
  { api, token, project = 'default' }: UnleashAdmin,
): Promise<string[]> {
  const call = async <Answer>(method: string, path: string, body?: object): Promise<Answer | undefined> => {
    const response = await fetch(`${api.replace(/\/$/, '')}/admin${path}`, {
      method,
      headers: { authorization: token, ...(body && { 'content-type': 'application/json' }) },
      body: body && JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(30_000),
    })
    const text = await response.text()
    if (response.status === 404 && method === 'GET') return undefined
    if (!response.ok) throw new Error(`Unleash answers ${response.status} to ${method} ${path}: ${text.slice(0, 500)}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  for (const [name, description] of [
    ['tenant', 'The organization for which a flag is asked.'],
    ['plan', 'The plan of that organization.'],
  ]) {
    const field = { name, description, stickiness: name === 'tenant', legalValues: [] }
    if (!(await call('GET', `/context/${name}`))) await call('POST', '/context', field)
  }

  const added: string[] = []
  const today = new Date().toISOString().slice(0, 10)
  const features = `/projects/${encodeURIComponent(project)}/features`
  for (const flag of flags) {
    const lifetime = flag.expires === null ? 'Meant to stay.' : `To be removed by ${flag.expires}.`
    const about = { type: flag.kind, description: `${flag.description} Owner: ${flag.owner}. ${lifetime}` }
    const path = `${features}/${flag.key}`
    let found = await call<{ environments: Environment[] }>('GET', path)
    if (found) await call('PUT', path, { name: flag.key, ...about, stale: isStale(flag, today) })
    else {
      await call('POST', features, { name: flag.key, ...about })
      added.push(flag.key)
      found = await call('GET', path)
    }
    for (const { name, strategies } of found?.environments ?? []) {
      if (strategies.length > 0) continue
      await call('POST', `${path}/environments/${name}/strategies`, rollout(flag, 100))
      await call('POST', `${path}/environments/${name}/${flag.default ? 'on' : 'off'}`)
    }
  }
  return added
}
