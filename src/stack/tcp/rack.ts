/**
 * RACK-TLP (RFC 8985): a segment is lost when one sent sufficiently later was delivered; the tail of a
 * flight is probed before the retransmission time-out. Times of segments are wrapped microseconds.
 */
import { before, sequenceDistance } from './sequence.js'

const REORDERING_ROUNDS = 16
const DUPLICATE_THRESHOLD = 3

export class Rack {
  /** Of the most recently sent segment that was delivered: when, up to where, and its round trip in microseconds. */
  sentAt = 0
  end = 0
  trip = 0
  #valid = false
  /** Highest sequence number delivered. */
  #highest = 0
  #highestValid = false
  reorderingSeen = false
  #multiplier = 1
  #persist = REORDERING_ROUNDS
  #duplicateRound = 0
  #duplicateRoundValid = false

  /** A tail loss probe is out: acknowledged up to here it has done its work. */
  probing = false
  probeEnd = 0
  probeRetransmitted = false

  get valid(): boolean {
    return this.#valid
  }

  /** Was (aTime, aEnd) sent after (bTime, bEnd)? */
  #after(aTime: number, aEnd: number, bTime: number, bEnd: number): boolean {
    const difference = sequenceDistance(bTime, aTime)
    return difference > 0 || (difference === 0 && before(bEnd, aEnd))
  }

  /**
   * A segment was delivered (steps 2 and 3). `echoMicros`: how long ago, by its timestamp, the segment
   * that the ACK answers was sent, or -1; tells an ACK of the original from one of the retransmission.
   */
  delivered(
    sentAt: number,
    end: number,
    retransmitted: boolean,
    now: number,
    echoMicros: number,
    minimum: number,
  ): void {
    const trip = sequenceDistance(sentAt, now)
    if (retransmitted) {
      // One millisecond of slack: timestamps are coarser than our clock.
      if (echoMicros > trip + 1000) return
      if (trip < minimum) return
    }
    if (!this.#valid || this.#after(sentAt, end, this.sentAt, this.end)) {
      this.#valid = true
      this.sentAt = sentAt
      this.end = end
      this.trip = trip
    }
    if (!this.#highestValid || before(this.#highest, end)) {
      this.#highest = end
      this.#highestValid = true
    } else if (before(end, this.#highest) && !retransmitted) this.reorderingSeen = true
  }

  /** A time-out was false: what counted as the delivery of a retransmission was the original's, `trip` microseconds ago. */
  restart(sentAt: number, end: number, trip: number): void {
    this.sentAt = sentAt
    this.end = end
    this.trip = trip
  }

  /** A DSACK came: the window for reordering grows once per round trip (step 4). */
  duplicate(una: number, next: number): void {
    if (this.#duplicateRoundValid && !before(una, this.#duplicateRound)) {
      this.#duplicateRoundValid = false
    }
    if (this.#duplicateRoundValid) return
    this.#duplicateRoundValid = true
    this.#duplicateRound = next
    this.#multiplier = Math.min(this.#multiplier + 1, 64)
    this.#persist = REORDERING_ROUNDS
  }

  /** Recovery has ended. */
  recovered(): void {
    if (--this.#persist <= 0) this.#multiplier = 1
  }

  /** How much later a later segment must have been sent, in microseconds. */
  window(recovering: boolean, sackedSegments: number, minimum: number, smoothed: number): number {
    if (!this.reorderingSeen && (recovering || sackedSegments >= DUPLICATE_THRESHOLD)) return 0
    return Math.min((this.#multiplier * minimum) / 4, smoothed)
  }

  /** Microseconds until this segment counts as lost, 0 or less: it is; Infinity: nothing sent later was delivered. */
  remaining(sentAt: number, end: number, now: number, window: number): number {
    if (!this.#valid || !this.#after(this.sentAt, this.end, sentAt, end)) {
      return Number.POSITIVE_INFINITY
    }
    return this.trip + window - sequenceDistance(sentAt, now)
  }
}
