/** `npm run bench <program>`: measures on this machine what the product promises, prints the figures, and fails when a promise is not kept. */

/** Resolves to whether every target was met. */
export type Program = () => Promise<boolean>

const programs: Record<string, { about: string; load(): Promise<{ run: Program }> }> = {
  tenancy: {
    about: 'primary-key reads: what isolating tenants costs, five ways',
    load: () => import('./tenancy.ts'),
  },
}

const [name] = process.argv.slice(2)
const program = name === undefined ? undefined : programs[name]
if (program) {
  const { run } = await program.load()
  process.exitCode = (await run()) ? 0 : 1
} else {
  if (name !== undefined) console.error(`There is no program '${name}'.`)
  console.error('npm run bench <program>')
  for (const [known, { about }] of Object.entries(programs)) console.error(`  ${known.padEnd(12)} ${about}`)
  process.exitCode = 1
}
