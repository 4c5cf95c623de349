import { defineConfig } from 'vitest/config'
import root from './vitest.config.ts'

/** What happens to a product in years, on clones that are made for it: `npm run test:life`. Each step waits for installing, checks and tests. */
export default defineConfig({
  test: {
    ...root.test,
    retry: 0, // a clone that has grown is not new a second time
    include: ['test/life/*.life.ts'],
    globalSetup: [],
    testTimeout: 1_800_000,
    hookTimeout: 300_000,
    maxWorkers: 1,
  },
})
