import { askPrometheus } from '../telemetry/prometheus.ts'
import { budgetRatio, burns, errorRatio } from '../telemetry/slos.ts'

/** Why a deployment was not begun, or was taken back. Its message says what to do. */
export class DeploymentError extends Error {}

/** How much faster than allowed the error budget of each objective is spent now; 1 would spend all of it in the objective's 30 days. */
export const burnQuery = `max by (slo) (${errorRatio('5m')} / on (slo) ${budgetRatio})`

/** What wakes somebody up also ends a deployment. */
export const burnLimit = Math.max(...burns.map(({ rate }) => rate))

/** The objectives whose budget burns, with the factor. Those without traffic do not. Throws when Prometheus does not answer, or does not know the rules. */
export async function burning(prometheus: string): Promise<Map<string, number>> {
  const factors = await askPrometheus(prometheus, burnQuery, 'slo').catch((error: Error) => {
    throw new DeploymentError(`Prometheus cannot be asked at ${prometheus}: ${error.cause ?? error.message}.`)
  })
  if (factors.size === 0)
    throw new DeploymentError(
      `${prometheus} has no series ${errorRatio('5m')}: load infra/observability/prometheus/rules.`,
    )
  return new Map([...factors].filter(([, factor]) => factor > burnLimit))
}
