export { checkCatalog, type Violation } from './check-catalog.ts'
export {
  type CreatedMigration,
  type CreateMigrationOptions,
  createMigration,
  timestampAfter,
  unwrittenChange,
} from './create-migration.ts'
export type { DomainSchema } from './domain-schema.ts'
export { MigrationError, type MigrationErrorCode } from './errors.ts'
export { jobsSchema, jobsVersion } from './jobs.ts'
export { type MigrateOptions, migrate } from './migrate.ts'
export { structureHash } from './migrations.ts'
export { dropOrphan, orphans } from './orphans.ts'
export { provision } from './provision.ts'
export { type ResetOptions, reset } from './reset.ts'
export { type DomainRoles, databaseOf, domainRoles, rolePassword, roleUrls, transport, transportRole } from './roles.ts'
export { concurrentIndex } from './script.ts'
export { type DomainStatus, status } from './status.ts'
