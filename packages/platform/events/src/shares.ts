/** Whether some tenant got all that its share of a round of `most` had room for, so that it may have more waiting. */
export function someShareIsFull(tenants: readonly string[], most: number): boolean {
  const counts = new Map<string, number>()
  for (const tenant of tenants) counts.set(tenant, (counts.get(tenant) ?? 0) + 1)
  return counts.size > 0 && Math.max(...counts.values()) >= Math.max(1, Math.floor(most / counts.size))
}
