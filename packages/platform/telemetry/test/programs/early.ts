/** Loads what telemetry wants to instrument, before it can. */
import 'pg'
