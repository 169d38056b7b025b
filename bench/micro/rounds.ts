/** How often a step can be done: the median of several rounds. */
import { median } from '../report.js'

const ROUNDS = 7
const ROUND_MS = 300

/** Times per second on one core; each call of `step` does it `times` times. */
export function rate(times: number, step: () => void): number {
  const rates: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    let done = 0
    let now = start
    for (; now - start < ROUND_MS; now = performance.now()) {
      step()
      done += times
    }
    rates.push((done * 1000) / (now - start))
  }
  return median(rates)
}

/** For people: thousands in a second, and what one takes. */
export function rateText(perSecond: number): string {
  return `${Math.round(perSecond / 1e3)} k/s (${(1e6 / perSecond).toFixed(2)} us)`
}
