/**
 * Keeps the queue in front of the stack short. What the kernel holds for us waits in one line, so when
 * we are the slowest part of the path a single download fills it with a whole receive window, and every
 * other connection's packets and the resolver's answers stand behind. Then the windows of all
 * connections are bounded by `cap`, which goes down by what waits too much and comes back when nothing
 * does. A connection that uses less than that does not notice.
 *
 * As in CoDel (RFC 8289) it is the least that waited during an interval that counts: a burst that is
 * worked off in between is no standing queue.
 */
import type { Millis } from '../../core/types.js'
import { PRESSURE_CAP_LEAST, PRESSURE_INTERVAL, PRESSURE_TARGET, RECEIVE_BUFFER } from './limits.js'

/** Largest part of the cap that one interval takes away, and what one gives back. */
const DECREASE_MOST = 0.5
const INCREASE = 1.1

export class ReceivePressure {
  /** Bytes that any connection may be sent ahead. */
  cap = RECEIVE_BUFFER
  /** More than is good was waiting all through the last interval. */
  standing = false
  #from: Millis = 0
  #least = Number.POSITIVE_INFINITY
  #received = 0

  /**
   * `waiting`: bytes in front of us now. `received`: bytes of data so far, of all connections. `trip`
   * and `window` are the round trip and the receive buffer of a connection that is being sent much.
   */
  sample(now: Millis, waiting: number, received: number, trip: Millis, window: number): void {
    this.#least = Math.min(this.#least, waiting)
    // A smaller window shows after a round trip.
    const interval = Math.max(PRESSURE_INTERVAL, 2 * trip)
    const elapsed = now - this.#from
    if (elapsed < interval) return
    // Samples come while there is much to receive: a long gap was a quiet time.
    const surplus = elapsed < 2 * interval ? this.#least - PRESSURE_TARGET : 0
    this.standing = surplus > 0
    if (this.standing) {
      const flight = ((received - this.#received) / elapsed) * trip + this.#least
      // Half of it: the kernel counts a datagram with its overhead, up to twice its bytes.
      const less = Math.min(DECREASE_MOST, surplus / 2 / flight)
      const used = Math.min(this.cap, window)
      this.cap = Math.max(PRESSURE_CAP_LEAST, Math.floor(used * (1 - less)))
    } else {
      const more = INCREASE ** Math.min(100, elapsed / PRESSURE_INTERVAL)
      this.cap = Math.min(RECEIVE_BUFFER, Math.ceil(this.cap * more))
    }
    this.#from = now
    this.#least = Number.POSITIVE_INFINITY
    this.#received = received
  }
}
