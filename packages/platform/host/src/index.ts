export { type Host, type HostOptions, startDomains } from './app.ts'
export { demo, demoId } from './demo.ts'
export {
  defineDomain,
  type Domain,
  type DomainContext,
  type DomainDefinition,
  type DomainRuntime,
  type Platform,
  type Seeding,
} from './domain.ts'
