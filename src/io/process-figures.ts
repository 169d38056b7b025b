/** What this process uses: memory, CPU, its event loop. Nothing runs between two readings. */
import type { ProcessFigures } from '../core/figures.js'

let lastMemory = 0
let lastLag = 0

/** The lag is that of a turn which begins now: it shows in the next reading. */
export function processFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage()
  const asked = performance.now()
  setImmediate(() => {
    lastLag = (performance.now() - asked) / 1000
  })
  return {
    startedAt: performance.timeOrigin / 1000,
    memory: residentMemory(),
    cpu: (user + system) / 1e6,
    loopActive: performance.eventLoopUtilization().active / 1000,
    loopLag: lastLag,
  }
}

/** Bytes; the last known figure when no descriptor is left to read the present one with. */
function residentMemory(): number {
  try {
    lastMemory = process.memoryUsage.rss()
  } catch {
    // Too many open files: that ends no process.
  }
  return lastMemory
}
