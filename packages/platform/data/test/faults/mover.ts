/** A process that moves the shop and kills itself after so many steps: `node mover.ts <task as JSON>`. Prints how far it came. */
import { moveBack, moveData, purgeMove } from '../../src/move/index.ts'
import { TEST_APP_SECRET } from '../../src/testing/index.ts'
import { shop } from '../shop/shop.ts'

export interface Task {
  what: 'move' | 'back' | 'purge'
  from: string
  to: string
  /** Reports before it dies; it lives when there are fewer. */
  steps: number
}

const { what, from, to, steps }: Task = JSON.parse(process.argv[2]!)
let left = steps
const work = { move: moveData, back: moveBack, purge: purgeMove }[what]
await work({
  domain: shop,
  known: [from],
  to,
  appSecret: TEST_APP_SECRET,
  report({ step, text, passing }) {
    if (passing) return
    if (left-- === 0) {
      process.stdout.write(`killed at ${step}: ${text}`)
      process.kill(process.pid, 'SIGKILL')
    }
  },
}).catch((error) => {
  if (what !== 'purge' || error.code !== 'NO_MOVE') throw error // it was killed after its last step
})
process.stdout.write('done')
process.exit(0)
