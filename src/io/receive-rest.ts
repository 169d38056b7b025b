/**
 * How long a UDP socket rests between two looks. A sender that sends singly wakes the process for each
 * two or three datagrams, and what a wake-up costs (system calls, a write to the program, an
 * acknowledgement) is more than what the datagrams do. So while many come, the socket is looked at in
 * steps, as network cards do (interrupt moderation). Where few come nothing waits.
 */
import type { Millis } from '../core/types.js'

/** Datagrams worth one wake-up. */
const WANTED = 24
/** Microseconds: the longest rest, and so what a datagram may wait. */
const LONGEST = 300
/** Datagrams that the longest rest must bring: below, latency is worth more. */
const LEAST = 4
/** Part of the measured rate that a new measurement makes up. */
const WEIGHT = 0.25
/** Shortest time between two looks that a rate is made of, in microseconds: clocks are coarse. */
const SHORTEST = 10

export class ReceiveRest {
  #last: Millis
  /** Datagrams per microsecond. */
  #rate = 0

  constructor(now: Millis) {
    this.#last = now
  }

  /** Microseconds to rest after a look that brought so many datagrams; 0: none. */
  after(datagrams: number, now: Millis): number {
    const elapsed = Math.max(SHORTEST, (now - this.#last) * 1000)
    this.#last = now
    this.#rate += (datagrams / elapsed - this.#rate) * WEIGHT
    if (this.#rate * LONGEST < LEAST) return 0
    return Math.min(LONGEST, Math.round(WANTED / this.#rate))
  }
}
