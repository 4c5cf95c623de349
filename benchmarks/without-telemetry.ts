// #region with catalog, orders
/** Loaded by `--import` before a program: its modules get a telemetry that does nothing, as if its calls had never been written. */
import { registerHooks } from 'node:module'

const nothing = new URL('./no-telemetry.ts', import.meta.url).href

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@offshoot/telemetry' && context.parentURL !== nothing
      ? { url: nothing, shortCircuit: true }
      : next(specifier, context),
})
