import { observe } from './metrics.ts'

/** How much memory the process has, and how long it has run. */
export function observeProcess(): void {
  observe(['process.memory.usage', 'process.uptime'], (report) => {
    report('process.memory.usage', process.memoryUsage.rss(), {})
    report('process.uptime', process.uptime(), {})
  })
}
