/** The real clock behind core's `Clock`. */
import { performance } from 'node:perf_hooks'
import type { Clock } from '../core/types.js'

/** Longest delay that setTimeout takes, in ms (24.8 days). */
const LONGEST = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  at(when, run) {
    let timer: NodeJS.Timeout
    const wait = () => {
      const left = when - performance.now()
      // setTimeout counts the ticks of a clock of whole milliseconds: it can fire up to one early.
      timer = setTimeout(fire, Math.min(Math.max(Math.ceil(left), 0), LONGEST))
    }
    const fire = () => {
      if (performance.now() < when) wait()
      else run()
    }
    wait()
    return () => clearTimeout(timer)
  },
}
