/** By how much ACKs come in clusters: bytes acknowledged beyond what the path's rate explains, the largest of the last five to ten round trips (as Linux' BBR). */
import type { Millis } from '../../core/types.js'

const ROUNDS = 5
/** A cluster counts for at most this many milliseconds of the rate. */
const MOST = 100
/** An epoch of more than this many bytes begins anew. */
const EPOCH_MOST = 1 << 30

export class AckAggregation {
  #now = 0
  #earlier = 0
  #rounds = 0
  #epochAt: Millis = 0
  #epochBytes = 0

  acknowledged(bytes: number, now: Millis, rate: number, window: number, round: boolean): void {
    if (bytes <= 0) return
    if (round && ++this.#rounds >= ROUNDS) {
      this.#rounds = 0
      this.#earlier = this.#now
      this.#now = 0
    }
    let expected = rate * (now - this.#epochAt)
    if (this.#epochBytes <= expected || this.#epochBytes + bytes >= EPOCH_MOST) {
      this.#epochBytes = 0
      this.#epochAt = now
      expected = 0
    }
    this.#epochBytes += bytes
    this.#now = Math.max(this.#now, Math.min(this.#epochBytes - expected, window))
  }

  /** Bytes to allow in flight for it. */
  extra(rate: number): number {
    return Math.min(Math.max(this.#now, this.#earlier), rate * MOST)
  }
}
