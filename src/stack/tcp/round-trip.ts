/** Round-trip time, retransmission time-out (RFC 6298) and the smallest round trip seen lately (RFC 8985 section 6.1). All in milliseconds. */
import type { Millis } from '../../core/types.js'

/**
 * RFC 6298 asks for a floor of 1 s; like all current stacks (and RFC 8961) we go lower: spurious
 * time-outs are found by timestamps and taken back.
 */
const RTO_LEAST = 200
const RTO_MOST = 120_000
export const RTO_INITIAL = 1000
/** After a SYN had to be sent again (RFC 6298 section 5.7). */
const RTO_AFTER_SYN_LOSS = 3000
/** The smallest round trip is that of the last one to two of these. */
const MINIMUM_PERIOD = 150_000

export class RoundTrip {
  /** Smoothed; 0: nothing measured yet. */
  smoothed = 0
  #variation = 0
  #base = RTO_INITIAL
  /** Time-outs in a row; each doubles the time-out. */
  backoff = 0
  #minimum = Number.POSITIVE_INFINITY
  #earlierMinimum = Number.POSITIVE_INFINITY
  #periodEnd = 0

  /** Time-out as it stands, back-off included. */
  get timeout(): Millis {
    return Math.min(RTO_MOST, this.#base * 2 ** Math.min(this.backoff, 10))
  }

  /** Smallest round trip lately; Infinity: nothing measured yet. */
  get minimum(): Millis {
    return Math.min(this.#minimum, this.#earlierMinimum)
  }

  /** One measurement, of a segment that was sent once (Karn) or timed by its timestamp. */
  sample(rtt: Millis): void {
    if (this.smoothed === 0) {
      this.smoothed = Math.max(rtt, 0.001)
      this.#variation = rtt / 2
    } else {
      this.#variation += (Math.abs(this.smoothed - rtt) - this.#variation) / 4
      this.smoothed += (rtt - this.smoothed) / 8
    }
    // The floor stands on the variation: a steady path keeps its distance from the round trip.
    this.#base = Math.min(RTO_MOST, this.smoothed + Math.max(RTO_LEAST, 4 * this.#variation))
    this.backoff = 0
  }

  sampleMinimum(rtt: Millis, now: Millis): void {
    if (now >= this.#periodEnd) {
      this.#earlierMinimum =
        now >= this.#periodEnd + MINIMUM_PERIOD ? Number.POSITIVE_INFINITY : this.#minimum
      this.#minimum = rtt
      this.#periodEnd = now + MINIMUM_PERIOD
    } else if (rtt < this.#minimum) this.#minimum = rtt
  }

  /** The handshake was done without a measurement because its SYN was sent again. */
  afterSynLoss(): void {
    if (this.smoothed === 0) this.#base = RTO_AFTER_SYN_LOSS
    this.backoff = 0
  }
}
