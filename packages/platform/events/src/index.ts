export { defineEvent, type Emission, type EventOptions, type EventType, type Upcaster } from './event.ts'
export {
  batchHandler,
  type Handler,
  type HandlerContext,
  type HandlerOptions,
  handler,
  on,
  onPrepared,
  type PreparationContext,
  type Reaction,
  type Rebuildable,
  type Received,
} from './handler.ts'
