import { defineConfig } from 'vitest/config'
import root from './vitest.config.ts'

const every = 'test/faults/*.fault.ts'
/** Where how long things take decides. */
const measuring = ['backlog', 'move', 'start'].map((name) => `test/faults/${name}.fault.ts`)

/** Faults mostly wait, for leases of processes that were killed above all: so two files at a time, after those that need the machine for themselves. */
export default defineConfig({
  test: {
    ...root.test,
    retry: 0, // what was killed is not there a second time
    include: [],
    projects: [
      { extends: true, test: { name: 'alone', include: measuring, sequence: { groupOrder: 0 }, maxWorkers: 1 } },
      {
        extends: true,
        test: { name: 'together', include: [every], exclude: measuring, sequence: { groupOrder: 1 }, maxWorkers: 2 },
      },
    ],
  },
})
