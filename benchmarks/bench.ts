/** `npm run bench <program>`: measures on this machine what the product promises, prints the figures, and fails when a promise is not kept. */

/** Resolves to whether every target was met. */
export type Program = () => Promise<boolean>

const programs: Record<string, { about: string; load(): Promise<{ run: Program }> }> = {
  // #region with catalog
  reads: {
    about: 'primary-key reads: what isolating tenants costs, six ways',
    load: () => import('./reads.ts'),
  },
  // #endregion
  // #region with catalog, orders
  memory: {
    about: 'the memory of the gateway, under mixed requests',
    load: () => import('./memory.ts'),
  },
  // #endregion
  start: {
    about: 'from npm start to ready, in a fresh clone and after that',
    load: () => import('./start.ts'),
  },
  // #region with catalog
  events: {
    about: 'events: what emitting costs, how soon they are handled, how many a second',
    load: () => import('./events.ts'),
  },
  // #endregion
  // #region with catalog, orders
  telemetry: {
    about: 'what telemetry costs: switched on, switched off, and at the start',
    load: () => import('./telemetry.ts'),
  },
  // #endregion
  // #region with catalog, orders
  topology: {
    about: 'domains in processes of their own: what it costs, and whether a request fails while they move',
    load: () => import('./topology.ts'),
  },
  // #endregion
  // #region with catalog
  move: {
    about: 'a million rows move to another server, and back: how long writers wait, and whether a call fails',
    load: () => import('./move.ts'),
  },
  // #endregion
}

/** Programs that are run one after the other. */
const groups: Record<string, { about: string; members: string[] }> = {
  tenancy: {
    about: 'reads, memory and start: all that the foundation promises',
    members: ['reads', 'memory', 'start'],
  },
}

const [name = ''] = process.argv.slice(2)
const members = (groups[name]?.members ?? [name]).filter((member) => programs[member])
if (members.length > 0) {
  process.exitCode = 0
  for (const member of members) {
    if (members.length > 1) console.log(`\n── ${member} ${'─'.repeat(60 - member.length)}\n`)
    const { run } = await programs[member]!.load()
    if (!(await run())) process.exitCode = 1
  }
} else {
  if (name) console.error(`There is no program '${name}'.`)
  console.error('npm run bench <program>')
  for (const [known, { about }] of Object.entries({ ...groups, ...programs }))
    console.error(`  ${known.padEnd(12)} ${about}`)
  process.exitCode = 1
}
