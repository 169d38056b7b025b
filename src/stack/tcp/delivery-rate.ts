/**
 * How fast the path delivers: one sample per ACK, the smaller of the rates at which a stretch of
 * segments was sent and acknowledged (draft-cheng-iccrg-delivery-rate-estimation). Counts are bytes
 * wrapped to 32 bits, times wrapped microseconds.
 */
import { LIMITED, type SentSegments } from './sent-segments.js'
import { sequenceDistance } from './sequence.js'

export class DeliveryRate {
  /** Bytes delivered over the connection's life, cumulatively or by SACK, and when the last of them was. */
  delivered = 0
  deliveredAt = 0
  /** When the segment was sent that opens the stretch measured now. */
  #firstSent = 0
  /** The application had too little to send until this much is delivered. */
  #limited = false
  #limitedUntil = 0

  /** The sample of this ACK: bytes delivered in `interval` microseconds; 0: no sample. */
  bytes = 0
  interval = 0
  applicationLimited = false
  /** `delivered` when the newest segment acknowledged was sent. */
  prior = 0
  #priorAt = 0
  #sendElapsed = 0
  #sampled = false

  /** A segment leaves, for the first time or again. `idle`: nothing was in flight before it. */
  sent(sent: SentSegments, n: number, idle: boolean, micros: number): void {
    if (idle) {
      this.#firstSent = micros
      this.deliveredAt = micros
    }
    sent.stamp(n, this.delivered, this.deliveredAt, this.#firstSent, this.#limited)
  }

  /** Everything there was is sent and the window has room: samples until it is delivered say little of the path. */
  applicationLimits(inFlight: number): void {
    this.#limited = true
    this.#limitedUntil = (this.delivered + Math.max(1, inFlight)) | 0
  }

  get limited(): boolean {
    return this.#limited
  }

  /** An ACK comes in. */
  begin(): void {
    this.#sampled = false
    this.bytes = 0
    this.interval = 0
  }

  /** It delivers this segment. */
  segment(sent: SentSegments, n: number, length: number, micros: number): void {
    this.delivered = (this.delivered + length) | 0
    this.deliveredAt = micros
    const prior = sent.delivered(n)
    if (this.#sampled && sequenceDistance(this.prior, prior) < 0) return
    this.#sampled = true
    this.prior = prior
    this.#priorAt = sent.deliveredAt(n)
    this.applicationLimited = (sent.flags(n) & LIMITED) !== 0
    const at = sent.time(n)
    this.#sendElapsed = sequenceDistance(sent.firstSent(n), at)
    this.#firstSent = at
  }

  /** The ACK is through. `least`: the smallest round trip, in microseconds: a stretch below it is an error of measurement. */
  finish(least: number): void {
    if (this.#limited && sequenceDistance(this.#limitedUntil, this.delivered) > 0) {
      this.#limited = false
    }
    if (!this.#sampled) return
    const interval = Math.max(this.#sendElapsed, sequenceDistance(this.#priorAt, this.deliveredAt))
    if (interval <= 0 || interval < least) return
    this.interval = interval
    this.bytes = sequenceDistance(this.prior, this.delivered)
  }
}
