/** `npm run dev`: runs the product until Ctrl-C, and anew whenever a source file is saved. */
import { supervise } from './supervisor/supervise.ts'

process.exit(await supervise({ watch: true }))
