/** `npm run events`: what operators do about events, on the configured database or the embedded one of this clone. */
import { readEnvironment } from '@offshoot/config'
import { root } from './database.ts'
import { runEvents } from './event-commands.ts'

const code = await runEvents(process.argv.slice(2), {
  env: readEnvironment(root),
  print: (line) => console.log(line),
  complain: (line) => console.error(line),
})
process.exit(code)
