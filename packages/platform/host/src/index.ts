export { type Host, type HostOptions, startDomains } from './app.ts'
export { demo, demoId } from './demo.ts'
export {
  type Domain,
  type DomainContext,
  type DomainDefinition,
  type DomainRuntime,
  defineDomain,
  type Platform,
  type Schedule,
  type ScheduleContext,
  type Seeding,
} from './domain.ts'
export { type HttpServer, type ListenOptions, listen, PortTakenError } from './http-server.ts'
export { createLogger } from './logger.ts'
