/**
 * BBR (draft-cardwell-iccrg-bbr-congestion-control-00, and as Linux has it): sends at the rate that
 * the path delivers, by its own measurement, instead of until something is lost; a loss by chance
 * costs nothing. For paths whose round trip can be paced (docs/decisions/). Windows in bytes, rates
 * in bytes per millisecond, times in milliseconds.
 */
import type { Millis } from '../../core/types.js'
import { AckAggregation } from './ack-aggregation.js'
import type { Delivery } from './acknowledge.js'
import type { CongestionControl } from './congestion.js'
import type { Connection } from './connection.js'
import { LossBound } from './loss-bound.js'
import { OPEN } from './recovery.js'
import { sequenceDistance } from './sequence.js'
import { WindowedMaximum } from './windowed-maximum.js'

const STARTUP = 0
const DRAIN = 1
const PROBE_BANDWIDTH = 2
const PROBE_ROUND_TRIP = 3

/** 2/ln 2: fills the path in the fewest round trips. */
const HIGH_GAIN = 2885 / 1000
const DRAIN_GAIN = 1000 / 2885
/** Twice the path's content: receivers that acknowledge late or in clusters do not stop us. */
const WINDOW_GAIN = 2
/** One round trip each: probe for more, give the queue back that it made, then cruise. */
const CYCLE: readonly number[] = [1.25, 0.75, 1, 1, 1, 1, 1, 1]
/** Sends a little less than measured, so that the queue does not creep up. */
const MARGIN = 0.99
/** The largest rate of so many round trips. */
const RATE_ROUNDS = 10
/** A round trip in which we were not run for a larger part of the smallest round trip says little of the path. */
const STALLED = 0.2
/** Startup ends after three round trips that did not bring a quarter more. */
const FULL_GROWTH = 1.25
const FULL_ROUNDS = 3
/** The smallest round trip is looked for anew after this long, with four segments in flight for a fifth of a second. */
const MINIMUM_PERIOD = 10_000
const PROBE_DURATION = 200
const LEAST_SEGMENTS = 4
/** Segments a turn may send at once: room in the window for the bursts of our own pacing, in milliseconds of the rate. */
const BURST = 1

export class Bbr implements CongestionControl {
  window: number
  #mode = STARTUP
  readonly #rates = new WindowedMaximum(RATE_ROUNDS)
  readonly #aggregation = new AckAggregation()
  readonly #bound = new LossBound()
  #pacing = 0
  #pacingGain = HIGH_GAIN
  #windowGain = HIGH_GAIN
  readonly #initial: number

  #round = 0
  #roundStart = false
  /** A round trip ends when a segment is delivered that was sent after this much was. */
  #roundUntil = 0

  /** How long we had been late until the round trip began. */
  #roundLate: Millis = 0
  /** The round trip that has ended held a stall of ours: its rate says little of the path. */
  #stalled = false

  /** Largest rate when the last round trip began. */
  #roundRate = 0

  #full = false
  #fullRate = 0
  #fullRounds = 0

  #phase = 0
  #phaseStart: Millis = 0

  #minimum = Number.POSITIVE_INFINITY
  #minimumAt: Millis = 0
  #probeUntil: Millis = 0
  #probeRound = false
  #resumed = false

  /** The window before a time-out or the probe for the round trip. */
  #prior = 0
  #repairing = false

  /** `random`: where in the cycle to begin, 0 to 1: flows that start together do not probe together. */
  constructor(window: number, random: number) {
    this.window = window
    this.#initial = window
    this.#phase = 2 + Math.floor(random * (CYCLE.length - 2))
  }

  /** Bytes per millisecond that the path delivers; 0: not measured yet. */
  get bandwidth(): number {
    return Math.min(this.#rates.value, this.#bound.rate)
  }

  start(): void {}

  rate(smoothed: Millis): number {
    if (this.#pacing === 0) return (HIGH_GAIN * this.window) / Math.max(1, smoothed)
    return this.#pacing
  }

  get capacity(): number {
    return Math.max(this.window, this.#prior)
  }

  /** Single losses say nothing of the path's rate; too many of a round trip do (loss-bound.ts). */
  lossBegins(): void {
    this.#bound.lossBegins()
  }

  lossEnds(): void {
    if (this.#repairing) this.#restore()
  }

  timedOut(c: Connection): void {
    if (c.recovery.phase === OPEN) this.#bound.lossBegins()
    this.#save()
    this.#repairing = true
    this.#fullRate = 0
    this.window = c.mss
  }

  tailRepaired(): void {}

  undo(c: Connection): void {
    this.#bound.undo(c)
    this.#fullRate = 0
    this.#fullRounds = 0
    if (this.#repairing) this.#restore()
  }

  resumes(idle: Millis): void {
    if (idle <= 0) return
    this.#resumed = true
    // What is known of the path is from before: no faster than that.
    if (this.#mode === PROBE_BANDWIDTH) this.#pace(1)
  }

  lossesFound(): void {}

  acknowledged(c: Connection, d: Delivery, _newly: number, lost: number): void {
    const { now } = c.stack
    const { inFlight } = d
    this.#measure(c, inFlight)
    this.#aggregation.acknowledged(d.bytes, now, this.bandwidth, this.window, this.#roundStart)
    this.#cycle(c, inFlight, lost, now)
    this.#fullness(c)
    this.#drain(c, now)
    this.#roundTrip(c, d, now)
    this.#gains()
    this.#pace(this.#pacingGain)
    this.#resize(c, d.bytes)
  }

  #measure(c: Connection, inFlight: number): void {
    const { rate } = c
    this.#roundStart = false
    const sample = rate.interval === 0 ? 0 : (rate.bytes * 1000) / rate.interval
    this.#bound.sample(inFlight, sample)
    if (sample === 0) return
    if (sequenceDistance(this.#roundUntil, rate.prior) >= 0) {
      this.#roundUntil = rate.delivered
      this.#roundStart = true
      this.#noteStall(c)
      if (!this.#stalled) this.#round++
      this.#lossRound(c)
    }
    const limited = rate.applicationLimited || this.#stalled || this.#late(c)
    if (!limited || sample >= this.#rates.value) this.#rates.add(this.#round, sample)
  }

  /** Were we not run for a good part of this round trip, so far? */
  #late(c: Connection): boolean {
    return c.stack.late - this.#roundLate > STALLED * this.#minimum
  }

  #noteStall(c: Connection): void {
    this.#stalled = this.#late(c)
    this.#roundLate = c.stack.late
  }

  /** A round trip is over: did it lose too much? Startup, whose rate still grows, overshoots by its nature. */
  #lossRound(c: Connection): void {
    const rate = this.#rates.value
    const grown = !this.#full && rate >= this.#roundRate * FULL_GROWTH
    this.#roundRate = rate
    if (this.#bound.roundEnds(c, rate, !grown)) this.#full = true
  }

  /** Bytes that the path holds, times `gain`. */
  #content(gain: number): number {
    if (this.#minimum === Number.POSITIVE_INFINITY) return this.#initial
    return gain * this.bandwidth * this.#minimum
  }

  /** What may be in flight: the path's content and what our bursts need. */
  #target(gain: number, mss: number): number {
    const bursts = 3 * Math.max(mss, this.#pacing * BURST)
    const more = this.#mode === PROBE_BANDWIDTH && this.#phase === 0 ? 2 * mss : 0
    return this.#content(gain) + bursts + more
  }

  /** `inFlight`: before this ACK; a window that is full holds less after it. */
  #cycle(c: Connection, inFlight: number, lost: number, now: Millis): void {
    if (this.#mode !== PROBE_BANDWIDTH) return
    const passed = now - this.#phaseStart > this.#minimum
    let over = passed
    if (this.#pacingGain > 1) {
      const most = Math.min(this.#target(this.#pacingGain, c.mss), this.#bound.window - 2 * c.mss)
      over = passed && (lost > 0 || inFlight >= most)
    } else if (this.#pacingGain < 1) over = passed || c.pipe <= this.#target(1, c.mss)
    if (!over) return
    this.#phase = (this.#phase + 1) % CYCLE.length
    this.#phaseStart = now
    if (this.#phase === 0) this.#bound.probe()
  }

  #fullness(c: Connection): void {
    if (this.#full || !this.#roundStart || this.#stalled || c.rate.applicationLimited) return
    if (this.#rates.value >= this.#fullRate * FULL_GROWTH) {
      this.#fullRate = this.#rates.value
      this.#fullRounds = 0
      return
    }
    this.#fullRounds++
    this.#full = this.#fullRounds >= FULL_ROUNDS
  }

  #drain(c: Connection, now: Millis): void {
    if (this.#mode === STARTUP && this.#full) this.#mode = DRAIN
    if (this.#mode === DRAIN && c.pipe <= this.#target(1, c.mss)) this.#probeBandwidth(now)
  }

  #probeBandwidth(now: Millis): void {
    this.#mode = PROBE_BANDWIDTH
    this.#phaseStart = now
    // Not where it would give back a queue that there is none of.
    if (this.#phase === 1) this.#phase = 2
  }

  #roundTrip(c: Connection, d: Delivery, now: Millis): void {
    const expired = now > this.#minimumAt + MINIMUM_PERIOD
    const trip = d.lastTrip > 0 ? d.lastTrip / 1000 : 0
    if (trip > 0 && (trip <= this.#minimum || expired)) {
      this.#minimum = trip
      this.#minimumAt = now
    }
    if (expired && trip > 0 && !this.#resumed && this.#mode !== PROBE_ROUND_TRIP && this.#full) {
      this.#mode = PROBE_ROUND_TRIP
      this.#save()
      this.#probeUntil = 0
    }
    if (this.#mode === PROBE_ROUND_TRIP) this.#probeRoundTrip(c, now)
    if (c.rate.bytes > 0) this.#resumed = false
  }

  #probeRoundTrip(c: Connection, now: Millis): void {
    c.rate.applicationLimits(c.pipe)
    if (this.#probeUntil === 0) {
      if (c.pipe > LEAST_SEGMENTS * c.mss) return
      this.#probeUntil = now + PROBE_DURATION
      this.#probeRound = false
      this.#roundUntil = c.rate.delivered
      return
    }
    if (this.#roundStart) this.#probeRound = true
    if (!this.#probeRound || now < this.#probeUntil) return
    this.#minimumAt = now
    this.#mode = PROBE_BANDWIDTH
    this.#restore()
    this.#probeBandwidth(now)
  }

  #gains(): void {
    switch (this.#mode) {
      case STARTUP:
        this.#pacingGain = HIGH_GAIN
        this.#windowGain = HIGH_GAIN
        return
      case DRAIN:
        this.#pacingGain = DRAIN_GAIN
        this.#windowGain = HIGH_GAIN
        return
      case PROBE_BANDWIDTH:
        this.#pacingGain = CYCLE[this.#phase] as number
        this.#windowGain = WINDOW_GAIN
        return
      default:
        this.#pacingGain = 1
        this.#windowGain = 1
    }
  }

  #pace(gain: number): void {
    const rate = this.bandwidth * gain * MARGIN
    if (this.#minimum === Number.POSITIVE_INFINITY || rate === 0) return
    const first = (HIGH_GAIN * this.#initial) / Math.max(1, this.#minimum)
    this.#pacing = this.#full ? rate : Math.max(this.#pacing, first, rate)
  }

  #save(): void {
    const early = !this.#repairing && this.#mode !== PROBE_ROUND_TRIP
    this.#prior = early ? this.window : Math.max(this.#prior, this.window)
  }

  #restore(): void {
    this.#repairing = false
    this.window = Math.max(this.window, this.#prior)
  }

  #resize(c: Connection, delivered: number): void {
    const { mss } = c
    const extra = this.#full ? this.#aggregation.extra(this.bandwidth) : 0
    const most = this.#target(this.#windowGain, mss) + extra
    if (this.#full) this.window = Math.min(this.window + delivered, most)
    else if (this.window < most || this.#round === 0) this.window += delivered
    this.window = Math.max(Math.min(this.window, this.#bound.window), LEAST_SEGMENTS * mss)
    if (this.#mode === PROBE_ROUND_TRIP) {
      this.window = Math.min(this.window, LEAST_SEGMENTS * mss)
    }
  }
}
