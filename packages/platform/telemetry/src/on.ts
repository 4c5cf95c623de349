/** What of telemetry is set up in this process. What is off costs a look at this, and nothing else. */
export const on = { traces: false, metrics: false }
