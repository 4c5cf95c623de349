/** What the database holds for one domain: a schema of its own, described by the `prisma` folder of its package. */
export interface DomainSchema {
  /** The domain's name, and its schema's: lower case, `[a-z][a-z0-9_]*`. */
  readonly name: string
  /** Absolute path of the package's `prisma` folder: `schema.prisma` and `migrations/`. */
  readonly directory: string
  /** Tables without a tenant, each with the reason why it has none. Every other table is a tenant table. */
  readonly globalTables: Readonly<Record<string, string>>
  /** SECURITY DEFINER functions that read before a tenant is known, each with its reason; see `app.definer_function`. */
  readonly definerFunctions?: Readonly<Record<string, string>>
}
