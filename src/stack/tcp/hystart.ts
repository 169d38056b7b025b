/** HyStart++ (RFC 9406): leaves slow start when the round trip grows, before the queue overflows. */
import type { Millis } from '../../core/types.js'
import { before } from './sequence.js'

const RTT_THRESHOLD_LEAST = 4
const RTT_THRESHOLD_MOST = 16
const RTT_DIVISOR = 8
const RTT_SAMPLES = 8
const GROWTH_DIVISOR = 4
const CONSERVATIVE_ROUNDS = 5

export class HyStart {
  #roundEnd = 0
  #started = false
  #lastMinimum = Number.POSITIVE_INFINITY
  #minimum = Number.POSITIVE_INFINITY
  #samples = 0
  /** Infinity: in plain slow start; else the round trip that made us careful (Conservative Slow Start). */
  #baseline = Number.POSITIVE_INFINITY
  #rounds = 0

  /** Window growth per byte acknowledged. */
  get growth(): number {
    return this.#baseline === Number.POSITIVE_INFINITY ? 1 : 1 / GROWTH_DIVISOR
  }

  restart(): void {
    this.#started = false
    this.#baseline = Number.POSITIVE_INFINITY
    this.#minimum = Number.POSITIVE_INFINITY
  }

  /** An ACK of new data in slow start with its round trip (0: none). True: slow start is over. */
  acknowledged(una: number, next: number, rtt: Millis): boolean {
    if (!this.#started || !before(una, this.#roundEnd)) {
      if (this.#started && this.#baseline !== Number.POSITIVE_INFINITY) {
        this.#rounds++
        if (this.#rounds >= CONSERVATIVE_ROUNDS) return true
      }
      this.#started = true
      this.#roundEnd = next
      this.#lastMinimum = this.#minimum
      this.#minimum = Number.POSITIVE_INFINITY
      this.#samples = 0
    }
    if (rtt <= 0) return false
    this.#minimum = Math.min(this.#minimum, rtt)
    this.#samples++
    if (
      this.#samples < RTT_SAMPLES ||
      this.#minimum === Number.POSITIVE_INFINITY ||
      this.#lastMinimum === Number.POSITIVE_INFINITY
    ) {
      return false
    }
    if (this.#baseline === Number.POSITIVE_INFINITY) {
      const threshold = Math.max(
        RTT_THRESHOLD_LEAST,
        Math.min(this.#lastMinimum / RTT_DIVISOR, RTT_THRESHOLD_MOST),
      )
      if (this.#minimum >= this.#lastMinimum + threshold) {
        this.#baseline = this.#minimum
        this.#rounds = 0
      }
    } else if (this.#minimum < this.#baseline) {
      // The growth was noise: back to plain slow start.
      this.#baseline = Number.POSITIVE_INFINITY
    }
    return false
  }
}
