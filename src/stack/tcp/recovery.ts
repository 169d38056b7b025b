/** Loss recovery of one connection: which phase it is in, PRR's counts (RFC 6937) and what is needed to take a false alarm back. */

/** Nothing is being repaired. */
export const OPEN = 0
/** Fast recovery: losses found by RACK or duplicate ACKs; PRR sets the window. */
export const FAST = 1
/** After a retransmission time-out. */
export const TIMED_OUT = 2

export class Recovery {
  phase: typeof OPEN | typeof FAST | typeof TIMED_OUT = OPEN
  /** The phase ends when this sequence number is acknowledged (RecoveryPoint). */
  until = 0
  /** The next retransmission goes out whatever the window says (fast retransmit). */
  force = false
  /** Bytes delivered, and sent, since recovery began. */
  #delivered = 0
  #sent = 0
  /** RecoverFS. */
  #flight = 1
  /** The last reduction may turn out false; bytes sent again since that have not turned out needless. */
  undoable = false
  undoBytes = 0
  /** When the first segment was sent again since, in wrapped microseconds; only where `resent`. */
  resentAt = 0
  resent = false
  /** Duplicate ACKs in a row, for peers without SACK. */
  duplicates = 0
  /** F-RTO (RFC 5682) still asks whether the time-out was false; and how many new segments go out for it before what is marked lost. */
  doubtful = false
  newSegments = 0

  enter(phase: typeof FAST | typeof TIMED_OUT, until: number, flight: number): void {
    // A time-out inside of fast recovery keeps what can be undone of the first reduction.
    if (this.phase === OPEN) {
      this.undoable = true
      this.undoBytes = 0
      this.resent = false
    }
    // RFC 5682 section 3.1 step 1: not for what fast recovery had begun to repair.
    this.doubtful = phase === TIMED_OUT && this.phase !== FAST
    this.newSegments = 0
    this.phase = phase
    this.until = until
    this.force = phase === FAST
    this.#delivered = 0
    this.#sent = 0
    this.#flight = Math.max(1, flight)
  }

  leave(): void {
    this.phase = OPEN
    this.force = false
    this.trust()
  }

  /** The time-out was no false one, or nothing can tell. */
  trust(): void {
    this.doubtful = false
    this.newSegments = 0
  }

  /** `bytes` were sent again at `micros`. */
  repeats(bytes: number, micros: number): void {
    if (!this.undoable) return
    this.undoBytes += bytes
    if (this.resent) return
    this.resent = true
    this.resentAt = micros
  }

  sent(bytes: number): void {
    this.#sent += bytes
    this.force = false
  }

  /** The congestion window by PRR after an ACK (RFC 6937 section 3.1). `safe`: the ACK advanced and showed no new loss. */
  window(delivered: number, pipe: number, threshold: number, mss: number, safe: boolean): number {
    this.#delivered += delivered
    let count: number
    if (pipe > threshold) {
      count = Math.ceil((this.#delivered * threshold) / this.#flight) - this.#sent
    } else {
      let limit = Math.max(this.#delivered - this.#sent, delivered)
      if (safe) limit += mss
      count = Math.min(threshold - pipe, limit)
    }
    return pipe + Math.max(count, 0)
  }
}
