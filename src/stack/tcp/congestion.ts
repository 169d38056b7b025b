/** What the rest of TCP asks of a congestion control: CUBIC and BBR. Windows in bytes, times in milliseconds. */
import type { Millis } from '../../core/types.js'
import type { Delivery } from './acknowledge.js'
import type { Connection } from './connection.js'

export interface CongestionControl {
  /** The congestion window. */
  window: number
  /** Bytes that the path may take in a round trip when nothing is being repaired: the send buffer is measured by it. */
  readonly capacity: number
  /** The segment size is known. */
  start(mss: number): void
  /** Bytes per millisecond at which new segments leave; Infinity: unpaced. */
  rate(smoothed: Millis, mss: number): number
  /** Losses were found where none were being repaired; `flight` bytes were outstanding. */
  lossBegins(c: Connection, flight: number): void
  /** What was in flight when losses were found is acknowledged. */
  lossEnds(c: Connection): void
  /** The retransmission timer ran out. */
  timedOut(c: Connection): void
  /** A tail loss probe has repaired a loss that nothing else showed. */
  tailRepaired(mss: number): void
  /** The losses were none. */
  undo(c: Connection): void
  /** The first segment after `idle` milliseconds with nothing in flight. */
  resumes(idle: Millis, timeout: Millis, mss: number): void
  /** An ACK that freed or SACKed `d.bytes`, `newly` of them cumulatively. `lost`: bytes that it showed to be lost. */
  acknowledged(c: Connection, d: Delivery, newly: number, lost: number): void
  /** RACK's timer found losses. */
  lossesFound(c: Connection): void
}
