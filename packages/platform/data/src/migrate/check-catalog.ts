import type { DomainSchema } from './domain-schema.ts'

/** Something in a database that breaks the isolation of tenants or of domains. */
export interface Violation {
  readonly domain: string
  /** The table, function or role, as SQL writes it. */
  readonly object: string
  /** Stable, in kebab-case: `row-security-not-forced`. */
  readonly rule: string
  /** What is wrong and how to put it right. */
  readonly message: string
}

/** Reads the catalog of the running database; empty when everything is as it must be. */
export async function checkCatalog(_adminUrl: string, _domains: readonly DomainSchema[]): Promise<Violation[]> {
  throw new Error('not there yet')
}
