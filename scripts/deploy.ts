/** `npm run deploy -- <environment> <folder of images>`: brings images into an environment of infra/kubernetes/overlays, with `KUBECONFIG` and `PROMETHEUS_URL`. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './database.ts'
import { DeploymentError } from './deployment/burn.ts'
import { deploy, readImages } from './deployment/deployment.ts'

const [environment = '', folder = ''] = process.argv.slice(2)
const overlay = join(root, 'infra/kubernetes/overlays', environment)
const prometheus = process.env.PROMETHEUS_URL

function problem(): string | undefined {
  if (!/^[a-z][a-z0-9-]*$/.test(environment) || !folder) return 'npm run deploy -- <environment> <folder of images>'
  if (!existsSync(overlay)) return `There is no environment ${environment}: ${overlay} is not there.`
  if (!existsSync(folder)) return `There is no folder ${folder}; it has a file per image, with its reference.`
  if (!prometheus)
    return 'PROMETHEUS_URL is not set: without burn rates nobody would notice that a deployment has to be taken back.'
  return undefined
}

const wrong = problem()
if (wrong) {
  console.error(wrong)
  process.exit(2)
}
try {
  await deploy({
    overlay,
    images: readImages(folder),
    prometheus: prometheus!,
    interval: 10,
    soak: 180,
    deadline: 900,
    log: (line) => console.log(line),
  })
} catch (error) {
  if (!(error instanceof DeploymentError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
