/** The real clock behind core's `Clock`. */
import { performance } from 'node:perf_hooks'
import type { Clock } from '../core/types.js'

/** Longest delay that setTimeout takes, in ms (24.8 days). */
const LONGEST = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  at(when, run) {
    // setTimeout counts whole milliseconds and rounds down: without the ceiling it would fire early.
    const delay = Math.min(Math.max(Math.ceil(when - performance.now()), 0), LONGEST)
    const timer = setTimeout(run, delay)
    return () => clearTimeout(timer)
  },
}
