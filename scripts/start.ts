/** `npm start`: runs the product until Ctrl-C. */
import { supervise } from './supervisor/supervise.ts'

process.exit(await supervise({ watch: false }))
