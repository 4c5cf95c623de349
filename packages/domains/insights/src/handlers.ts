import { batchHandler } from '@offshoot/events'
import { OrderCancelled, OrderConfirmed, OrderPlaced } from '@offshoot/orders/contract'
import { forget, project } from './project.ts'

/** One handler for all projections, so that they agree with each other at every moment: they change in one transaction. */
export const handlers = [
  batchHandler('projections', [OrderPlaced, OrderConfirmed, OrderCancelled], project, { rebuild: { forget } }),
]
