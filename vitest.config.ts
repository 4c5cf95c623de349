import { defineConfig } from 'vitest/config'

/** Every package's tests run with this: `vitest run --config <root>/vitest.config.ts --root .` in its folder. */
export default defineConfig({
  test: {
    // Faults take minutes: `npm run test:faults` sets FAULTS.
    include: ['test/**/*.test.ts', ...(process.env.FAULTS ? ['test/faults/*.fault.ts'] : [])],
    // The corpus takes its time: where domains run apart, and, together, among the faults.
    exclude: ['**/node_modules/**', ...(process.env.TEST_TOPOLOGY ? [] : ['test/demo/corpus/**'])],
    globalSetup: [`${import.meta.dirname}/packages/platform/data/src/testing/global-setup.ts`],
    passWithNoTests: true,
    // On Node itself, types stripped, as the product runs; Vite's own loader would make a second `graphql`.
    // Each file has a database of its own, and modules keep no state: loading them anew for each file would take most of the time.
    isolate: false,
    experimental: { viteModuleRunner: false },
    // Machines differ; each test says itself what must be quick.
    testTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    hookTimeout: 120_000,
    // What a product answers on a machine that has more to do than it can. Whatever else a test finds, it finds once.
    retry: { count: 2, condition: /The database is not available at the moment/ },
    reporters: ['default', 'json'],
    outputFile: { json: '.reports/vitest.json' },
  },
})
