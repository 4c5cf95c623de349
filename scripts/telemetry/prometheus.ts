/** Asks a Prometheus for one number for each value of a label, which is named as Prometheus writes it. Rejects, saying why, when it cannot be asked. */
export async function askPrometheus(
  url: string,
  query: string,
  label: string,
  timeout = 10_000,
): Promise<Map<string, number>> {
  const response = await fetch(`${url.replace(/\/$/, '')}/api/v1/query?query=${encodeURIComponent(query)}`, {
    signal: AbortSignal.timeout(timeout),
  })
  const { status, data, error } = (await response.json()) as {
    status: string
    error?: string
    data: { result: { metric: Record<string, string>; value: [number, string] }[] }
  }
  if (status !== 'success') throw new Error(`Prometheus refused a query: ${error}`)
  return new Map(data.result.map(({ metric, value }) => [metric[label] ?? '', Number(value[1])]))
}
