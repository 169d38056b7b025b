/**
 * Congestion window: slow start with HyStart++ and CUBIC (RFC 9438). A window that is not used neither grows
 * nor counts as the path's: what was in flight lately does (RFC 7661). Windows in bytes, times in milliseconds.
 */
import type { Millis } from '../../core/types.js'
import type { Delivery } from './acknowledge.js'
import type { CongestionControl } from './congestion.js'
import type { Connection } from './connection.js'
import { HyStart } from './hystart.js'
import { FAST, OPEN, TIMED_OUT } from './recovery.js'
import { sequenceDistance } from './sequence.js'
import { WindowedMaximum } from './windowed-maximum.js'

const C = 0.4
const BETA = 0.7
const ALPHA = (3 * (1 - BETA)) / (1 + BETA)
/** RFC 6928. */
const INITIAL_SEGMENTS = 10
/** Most segments the window grows by for one ACK in slow start: bounds the burst (RFC 9406's L; we acknowledge by batches, so 8 would hold us back). */
const GROWTH_PER_ACK = 64
/** Pacing, in windows per round trip, as Linux has it. */
const SLOW_START_RATE = 2
const AVOIDANCE_RATE = 1.2
/** Sampling period of what is in flight (RFC 7661 section 4.2: three round trips, at least a second; only paths shorter than that third stay with CUBIC). */
const VALID_PERIOD = 1000
/** A window of which less than half is used is halved after so long (RFC 7661 section 4.4.3: five minutes). */
const NON_VALIDATED_PERIOD = 300_000

export class Cubic implements CongestionControl {
  window = 0
  threshold = Number.POSITIVE_INFINITY
  readonly #hystart = new HyStart()
  /** W_max: window where the last reduction began. */
  #largest = 0
  /** Window just before the last reduction. */
  #prior = 0
  /** Start of the epoch; 0: none yet. */
  #epoch = 0
  /** K, in seconds. */
  #k = 0
  /** W_est, in bytes. */
  #reno = 0
  /** Since when the window has not been what holds us back, in this epoch; 0: it is. */
  #restingFrom: Millis = 0
  /** Most in flight lately: pipeACK. */
  readonly #used = new WindowedMaximum(VALID_PERIOD)
  /** Since when less than half of the window is used; 0: it is used. */
  #nonValidatedFrom: Millis = 0
  /** For `undo`. */
  #undoWindow = 0
  #undoThreshold = 0

  start(mss: number): void {
    this.window = initialWindow(mss)
  }

  get capacity(): number {
    return this.window
  }

  rate(smoothed: Millis, mss: number): number {
    const factor = this.window < this.threshold ? SLOW_START_RATE : AVOIDANCE_RATE
    return (factor * Math.max(this.window, mss)) / smoothed
  }

  lossBegins(c: Connection, flight: number): void {
    this.#reduce(c.mss, flight)
  }

  lossEnds(c: Connection): void {
    if (c.recovery.phase === FAST) this.window = this.threshold
  }

  timedOut(c: Connection): void {
    if (c.recovery.phase === OPEN) this.#reduce(c.mss, sequenceDistance(c.una, c.next))
    this.window = c.mss
  }

  tailRepaired(mss: number): void {
    this.#reduce(mss, 0)
    this.window = Math.min(this.window, this.threshold)
  }

  lossesFound(c: Connection): void {
    this.window = c.recovery.window(0, c.pipe, this.threshold, c.mss, false)
  }

  acknowledged(c: Connection, d: Delivery, newly: number, lost: number): void {
    const { recovery } = c
    const { now } = c.stack
    this.#used.add(now, d.inFlight)
    this.#validate(now, c.mss)
    if (recovery.phase === FAST) {
      const safe = newly > 0 && lost <= 0
      this.window = recovery.window(d.bytes, c.pipe, this.threshold, c.mss, safe)
    } else if (newly > 0 && (c.limited || recovery.phase === TIMED_OUT)) {
      const rtt = d.lastTrip > 0 ? d.lastTrip / 1000 : 0
      this.#grow(newly, c.mss, c.una, c.next, rtt, c.trip.smoothed, now)
    } else if (newly > 0 && this.#restingFrom === 0) this.#restingFrom = now
  }

  /** Is the window used? One that is not for minutes says nothing of the path any more. */
  #validate(now: Millis, mss: number): void {
    if (2 * this.#used.value >= this.window) this.#nonValidatedFrom = 0
    else if (this.#nonValidatedFrom === 0) this.#nonValidatedFrom = now
    else if (now - this.#nonValidatedFrom >= NON_VALIDATED_PERIOD) {
      this.#nonValidatedFrom = now
      this.threshold = Math.max(this.threshold, 0.75 * this.window)
      this.window = Math.max(Math.min(initialWindow(mss), this.window), this.window / 2)
      this.#epoch = 0
    }
  }

  /** New data was acknowledged while the window was what held us back. `rtt` 0: not measured. */
  #grow(
    bytes: number,
    mss: number,
    una: number,
    next: number,
    rtt: Millis,
    smoothed: Millis,
    now: Millis,
  ): void {
    if (this.window < this.threshold) {
      const growth = Math.min(bytes * this.#hystart.growth, GROWTH_PER_ACK * mss)
      this.window += Math.max(1, Math.floor(growth))
      // Only the first slow start looks for the queue (RFC 9406 section 4.3).
      if (
        this.threshold === Number.POSITIVE_INFINITY &&
        this.#hystart.acknowledged(una, next, rtt)
      ) {
        this.threshold = this.window
      }
      return
    }
    this.#avoidance(bytes, mss, smoothed, now)
  }

  #avoidance(bytes: number, mss: number, smoothed: Millis, now: Millis): void {
    // Time in which the window did not matter is none of the epoch's (RFC 9438 sections 4.2 and 5.8).
    if (this.#epoch !== 0 && this.#restingFrom !== 0) {
      this.#epoch += now - Math.max(this.#epoch, this.#restingFrom)
    }
    this.#restingFrom = 0
    if (this.#epoch === 0) {
      this.#epoch = now
      this.#reno = this.window
      if (this.#largest <= this.window) {
        this.#largest = this.window
        this.#k = 0
      } else {
        this.#k = Math.cbrt((this.#largest - this.window) / mss / C)
      }
    }
    const t = (now - this.#epoch) / 1000
    const segments = bytes / mss
    const alpha = this.#reno >= this.#prior ? 1 : ALPHA
    this.#reno += alpha * segments * mss * (mss / this.window)
    const plain = this.#at(t, mss)
    if (plain < this.#reno) {
      // Reno-friendly region (RFC 9438 section 4.3).
      if (this.#reno > this.window) this.window = Math.floor(this.#reno)
      return
    }
    const target = Math.min(
      Math.max(this.#at(t + smoothed / 1000, mss), this.window),
      1.5 * this.window,
    )
    this.window += ((target - this.window) * bytes) / this.window
  }

  #at(t: number, mss: number): number {
    const d = t - this.#k
    return C * d * d * d * mss + this.#largest
  }

  /** Loss: sets the threshold; the window is recovery's business until it ends. `flight`: bytes outstanding (RFC 9438 section 4.6, with what RFC 7661 section 4.4.1 takes in its place). */
  #reduce(mss: number, flight: number): void {
    this.#undoWindow = this.window
    this.#undoThreshold = this.threshold
    const used = Math.min(this.window, Math.max(this.#used.value, flight))
    // Fast convergence (RFC 9438 section 4.7).
    this.#largest = used < this.#largest ? (used * (1 + BETA)) / 2 : used
    this.#prior = used
    this.threshold = Math.max(Math.floor(used * BETA), 2 * mss)
    this.#epoch = 0
  }

  /** The loss was no loss (RFC 9438 section 4.9). */
  undo(): void {
    this.window = Math.max(this.window, this.#undoWindow)
    this.threshold = this.#undoThreshold
    this.#epoch = 0
  }

  /** The window halves for each retransmission time-out without sending, down to that of a new connection (RFC 2861, RFC 5681 section 4.1). */
  resumes(idle: Millis, timeout: Millis, mss: number): void {
    if (idle <= timeout) return
    const timeouts = Math.floor(idle / timeout)
    const least = Math.min(initialWindow(mss), this.window)
    this.threshold = Math.max(this.threshold, 0.75 * this.window)
    this.window = Math.max(least, this.window / 2 ** Math.min(timeouts, 30))
    this.#epoch = 0
    this.#hystart.restart()
  }
}

/** RFC 6928: ten segments. */
function initialWindow(mss: number): number {
  return INITIAL_SEGMENTS * mss
}
