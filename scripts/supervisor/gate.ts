/**
 * Loaded before the program of a supervised process: loads the modules that the program needs, which takes most of the time that it
 * takes to start, while the supervisor still prepares what it will use. The program itself begins when the supervisor says so.
 */
type Go = { type: 'go'; env: Record<string, string> }

function opened(): Promise<void> {
  return new Promise((resolve) => {
    process.once('disconnect', () => process.exit(1))
    process.once('message', ({ env }: Go) => {
      process.removeAllListeners('disconnect')
      Object.assign(process.env, env)
      resolve()
    })
  })
}

// What is wrong with a module is reported by the program, which imports it too.
const warm = process.env.OFFSHOOT_WARM
delete process.env.OFFSHOOT_WARM
await Promise.all([opened(), warm ? import(warm).catch(() => {}) : undefined])

export {}
