/**
 * Where BBR alone would go on losing: a queue on the way that holds less than a round trip's worth
 * drops what exceeds it however often it is measured. A round trip that lost too large a part bounds
 * what may be in flight, and the rate until the next probe (the ideas are BBR version 3's, draft-ietf-ccwg-bbr).
 */
import type { Connection } from './connection.js'
import { sequenceDistance } from './sequence.js'

/**
 * Part of a round trip's segments that may be lost. Version 3 says 2 %: links that lose by chance lose
 * more than that, and Linux' version 1, which we are to keep up with, has no bound at all.
 */
const TOLERATED = 0.1
/** Fewer lost segments say nothing. */
const SEGMENTS = 6
const BETA = 0.7
const GROWTH = 1.25

export class LossBound {
  /** Bytes in flight at most, and bytes per millisecond. */
  window = Number.POSITIVE_INFINITY
  rate = Number.POSITIVE_INFINITY
  #lost = 0
  #delivered = 0
  #most = 0
  #best = 0
  /** As they were when losses began to be repaired. */
  #windowBefore = Number.POSITIVE_INFINITY
  #rateBefore = Number.POSITIVE_INFINITY

  /** An ACK, with its sample of the rate (0: none). */
  sample(inFlight: number, rate: number): void {
    this.#most = Math.max(this.#most, inFlight)
    this.#best = Math.max(this.#best, rate)
  }

  /** A round trip is over. True: it lost too much, which now bounds what follows (where `heed`). */
  roundEnds(c: Connection, bandwidth: number, heed: boolean): boolean {
    const lost = sequenceDistance(this.#lost, c.sent.lostEver)
    const delivered = sequenceDistance(this.#delivered, c.rate.delivered)
    const excess = heed && lost >= SEGMENTS * c.mss && lost > TOLERATED * (lost + delivered)
    if (excess) {
      const most = Math.min(this.window, this.#most)
      this.window = Math.max(BETA * most, delivered)
      this.rate = Math.max(BETA * Math.min(this.rate, bandwidth), this.#best)
    }
    this.#lost = c.sent.lostEver
    this.#delivered = c.rate.delivered
    this.#most = 0
    this.#best = 0
    return excess
  }

  /** Losses begin to be repaired. */
  lossBegins(): void {
    this.#windowBefore = this.window
    this.#rateBefore = this.rate
  }

  /** They were none: this round trip has lost nothing, and what was bounded for them is free again. */
  undo(c: Connection): void {
    this.#lost = c.sent.lostEver
    this.window = Math.max(this.window, this.#windowBefore)
    this.rate = Math.max(this.rate, this.#rateBefore)
  }

  /** A probe for more bandwidth begins. */
  probe(): void {
    this.rate = Number.POSITIVE_INFINITY
    this.window *= GROWTH
  }
}
