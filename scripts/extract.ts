/** `npm run extract <domain>` and `npm run fold <domain> [-- --force]`: a domain becomes a service, and a service a domain of the gateway again. */
import { root } from './database.ts'
import { extract, fold } from './extraction/extraction.ts'
import { Refusal } from './refusal.ts'
import { installPackages } from './run.ts'

const [command, domain = '', ...rest] = process.argv.slice(2)

/** Loads the domains, and so only what is installed by now. */
async function draw(): Promise<void> {
  const [{ modulesDiagram }, { deployedApps }] = await Promise.all([
    import('./check/generated.ts'),
    import('./check/infrastructure.ts'),
  ])
  modulesDiagram(true)
  deployedApps(true)
}

async function main(): Promise<number> {
  const force = rest.length === 1 && rest[0] === '--force'
  if (domain.startsWith('-') || (rest.length > 0 && !(force && command === 'fold'))) {
    console.error(`Usage:\n  npm run extract <domain>\n  npm run fold <domain> [-- --force]`)
    return 2
  }
  try {
    const started = Date.now()
    if (command === 'extract') {
      const { port, files } = await extract(root, domain, () => installPackages('nothing was split off'))
      await draw()
      for (const file of [...files, 'docs/modules.md', 'infra/compose.yaml', 'infra/kubernetes/apps', 'pnpm-lock.yaml'])
        console.log(`written  ${file}`)
      console.log(`written  topology.json: ${domain} runs in apps/${domain}, on port ${port} in development`)
    } else {
      fold(root, domain, { force })
      await installPackages('the next command tries again')
      await draw()
      console.log(
        `removed  apps/${domain}\nwritten  topology.json, docs/modules.md, infra, pnpm-lock.yaml: ${domain} runs in the gateway`,
      )
    }
    const seconds = ((Date.now() - started) / 1000).toFixed(1)
    console.log(
      command === 'extract'
        ? `\n${domain} is a service (${seconds} s). \`npm start\` runs it beside the gateway, \`npm test\` passes as before, \`npm run fold ${domain}\` is the way back.`
        : `\n${domain} is part of the gateway again (${seconds} s).`,
    )
    return 0
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    console.error(`${error.code}: ${error.message}`)
    return 1
  }
}

process.exitCode = await main()
