/** What of telemetry is set up in this process. What is off costs a look at this, and nothing else. */
export const on = { traces: false, metrics: false }

/** Whether spans or metrics are recorded in this process. What is made once, at its start, may leave out what only they need. */
export const telemetryOn = (): boolean => on.traces || on.metrics
