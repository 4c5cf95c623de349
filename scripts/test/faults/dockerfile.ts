/** Follows a Dockerfile without Docker: each stage is a folder, what a base image has is this machine's. */
import { mkdirSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join, relative, resolve } from 'node:path'
import { sh } from '../shell.ts'

/** What a container of the image would be started with. */
export interface Image {
  /** Where `/app` is. */
  directory: string
  env: Record<string, string>
  command: string[]
  healthcheck: string[]
}

/** The node that this test runs on, instead of the one of the base image. */
const path = [dirname(process.execPath), process.env.PATH].join(delimiter)

/** Builds below `into`, from what git knows of the clone `context`. An instruction that it does not know is an error. */
export async function build(context: string, dockerfile: string, into: string): Promise<Image> {
  const stages = new Map<string, Image>()
  let stage: Image | undefined
  for (const [, instruction, rest = ''] of instructions(readFileSync(join(context, dockerfile), 'utf8'))) {
    const here = (file: string, of = stage!) => {
      const within = resolve('/app', file)
      if (relative('/app', within).startsWith('..')) throw new Error(`${file} is not below /app`)
      return join(of.directory, relative('/app', within))
    }
    if (instruction === 'FROM') {
      const name = / AS (\w+)$/.exec(rest)?.[1] ?? 'final'
      stage = { directory: join(into, name), env: {}, command: [], healthcheck: [] }
      mkdirSync(stage.directory, { recursive: true })
      stages.set(name, stage)
    } else if (instruction === 'ENV') {
      Object.assign(stage!.env, Object.fromEntries(rest.split(' ').map((one) => one.split('=') as [string, string])))
    } else if (instruction === 'RUN') {
      // What this machine has is not fetched again.
      const settings = Object.entries({ ...stage!.env, PATH: path, npm_config_prefer_offline: 'true' }).map(
        ([name, value]) => `export ${name}='${value}'; `,
      )
      await sh(stage!.directory, `${settings.join('')}${rest}`)
    } else if (instruction === 'COPY' && rest === '. .') {
      await sh(context, `git ls-files -z | tar -c --null -T - | tar -x -C '${stage!.directory}'`)
    } else if (instruction === 'COPY') {
      const [, from = '', files = ''] = /^--from=(\w+) (.*)$/.exec(rest) ?? []
      const words = files.split(' ')
      const target = here(words.pop()!)
      mkdirSync(target, { recursive: true })
      // Of a folder Docker copies what is in it. Linked, since copying tens of thousands of files takes minutes on a busy disk.
      const sources = words.map((word) => here(word, stages.get(from)))
      const contents = words.length > 1 || words[0]!.endsWith('.json') ? '' : '/.'
      await sh(target, `cp -al ${sources.map((source) => `'${source}${contents}'`).join(' ')} .`)
    } else if (instruction === 'CMD') stage!.command = JSON.parse(rest)
    else if (instruction === 'HEALTHCHECK') stage!.healthcheck = JSON.parse(rest.slice(rest.indexOf('CMD ') + 4))
    else if (!['WORKDIR', 'EXPOSE', 'USER'].includes(instruction!)) throw new Error(`${instruction} is not known here`)
  }
  return stage!
}

const instructions = (text: string) =>
  text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n/g, '')
    .matchAll(/^([A-Z]+) (.*)$/gm)
