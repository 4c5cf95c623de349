export { type Host, type HostOptions, startDomains } from './app.ts'
export { demo, demoId } from './demo.ts'
export {
  type Domain,
  type DomainContext,
  type DomainDefinition,
  type DomainRuntime,
  defineDomain,
  type Platform,
  type Saga,
  type Schedule,
  type ScheduleContext,
  type Seeding,
} from './domain.ts'
export { type Elsewhere, type ElsewhereOptions, openElsewhere } from './elsewhere.ts'
export { health } from './health.ts'
export { type HttpServer, type ListenOptions, listen, PortTakenError } from './http-server.ts'
export { createLogger } from './logger.ts'
export { passOn } from './proxy.ts'
export { createService, insideListener, type Service } from './service.ts'
export {
  appOf,
  gateway,
  gatewayPort,
  hostedBy,
  readTopology,
  settingOf,
  type Topology,
  TopologyError,
  together,
} from './topology.ts'
