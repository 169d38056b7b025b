/**
 * How long a UDP socket rests between two looks. A sender that sends singly wakes the process for each
 * two or three datagrams, and what a wake-up costs (system calls, a write to the program, an
 * acknowledgement) is more than what the datagrams do. So while many come, the socket is looked at in
 * steps, as network cards do (interrupt moderation). Where few come nothing waits.
 */
import type { Millis } from '../core/types.js'

/** What a rest is to bring, and how long it may take for it, in microseconds; so long may a datagram wait. */
interface Aim {
  readonly datagrams: number
  readonly longest: number
}

/** Acknowledgements of what we send, among others: who waits for them sends less. */
const SMALL: Aim = { datagrams: 24, longest: 300 }
/** Data of transfers: a larger piece for the program, and fewer acknowledgements. */
const LARGE: Aim = { datagrams: 96, longest: 1000 }
/** Bytes of a datagram, on average, from which on most of them are full. */
const LARGE_FROM = 1000
/** Datagrams that the longest rest for small ones must bring: below, latency is worth more. */
const LEAST = 4
/** Part of the measured rate that a new measurement makes up. */
const WEIGHT = 0.25
/** Shortest time between two looks that a rate is made of, in microseconds: clocks are coarse. */
const SHORTEST = 10

export class ReceiveRest {
  #last: Millis
  /** Datagrams and bytes per microsecond. */
  #rate = 0
  #byteRate = 0

  constructor(now: Millis) {
    this.#last = now
  }

  /**
   * Microseconds to rest after a look that brought so many datagrams and bytes; 0: none. `prompt`: some of
   * what comes belongs to who carries little, and waits no longer than acknowledgements do.
   */
  after(datagrams: number, bytes: number, now: Millis, prompt: boolean): number {
    const elapsed = Math.max(SHORTEST, (now - this.#last) * 1000)
    this.#last = now
    this.#rate += (datagrams / elapsed - this.#rate) * WEIGHT
    this.#byteRate += (bytes / elapsed - this.#byteRate) * WEIGHT
    if (this.#rate * SMALL.longest < LEAST) return 0
    const aim = !prompt && this.#byteRate >= LARGE_FROM * this.#rate ? LARGE : SMALL
    return Math.min(aim.longest, Math.round(aim.datagrams / this.#rate))
  }
}
