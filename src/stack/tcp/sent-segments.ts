/**
 * What is in flight: one record per segment, in sequence order, in one ring of integers. A second
 * order, by time of (last) transmission, runs through it as a linked list for RACK.
 *
 *   ring (sequence order)   first ► [una …][…][…][…][… nxt] ◄ first + count
 *   list (time order)       oldest ► … ► newest     without those SACKed or marked lost
 *
 * Records are named by a number that grows by one per segment (modulo 2^30); its low bits are the place.
 */
import { SENT_SEGMENTS } from './limits.js'
import { atOrBefore, before, sequenceAdd, sequenceDistance } from './sequence.js'

const STRIDE = 9
const SEQUENCE = 0
const LENGTH = 1
const TIME = 2
const FLAGS = 3
const PREVIOUS = 4
const NEXT = 5
// When it was last sent: what had been delivered, when the last of that was, and the start of the stretch it belongs to (delivery-rate.ts).
const DELIVERED = 6
const DELIVERED_AT = 7
const FIRST_SENT = 8

const WRAP = 0x3fffffff
const SMALLEST = 16
/** An empty ring larger than this gives its memory back, in segments. */
const KEEP = 256

/** No record. */
export const NONE = -1

export const SACKED = 1
export const LOST = 2
export const RETRANSMITTED = 4
export const FIN = 8
const LISTED = 16
/** Sent while the application had too little to send. */
export const LIMITED = 32

const EMPTY = new Int32Array(0)

export class SentSegments {
  #ring: Int32Array = EMPTY
  #mask = 0
  /** Record of the lowest sequence number. */
  first = 0
  count = 0
  /** Ends of the list in time order. */
  oldest = NONE
  newest = NONE
  /** Sequence numbers SACKed, and marked lost but not sent again. */
  sackedBytes = 0
  lostBytes = 0
  /** Bytes ever marked lost, wrapped. */
  lostEver = 0
  /** Records SACKed. */
  sackedCount = 0
  /** No record before this one is marked lost. */
  #lostHint = 0

  get full(): boolean {
    return this.count >= SENT_SEGMENTS
  }

  sequence(n: number): number {
    return this.#ring[(n & this.#mask) * STRIDE + SEQUENCE] as number
  }
  /** Sequence space taken: data, and one for FIN. */
  length(n: number): number {
    return this.#ring[(n & this.#mask) * STRIDE + LENGTH] as number
  }
  end(n: number): number {
    const at = (n & this.#mask) * STRIDE
    return sequenceAdd(this.#ring[at + SEQUENCE] as number, this.#ring[at + LENGTH] as number)
  }
  /** Without the FIN: some receivers leave it out of their SACK blocks. */
  dataEnd(n: number): number {
    const end = this.end(n)
    return (this.flags(n) & FIN) !== 0 && this.length(n) > 1 ? (end - 1) | 0 : end
  }
  /** Microseconds, wrapped to 32 bits. */
  time(n: number): number {
    return this.#ring[(n & this.#mask) * STRIDE + TIME] as number
  }
  flags(n: number): number {
    return this.#ring[(n & this.#mask) * STRIDE + FLAGS] as number
  }
  delivered(n: number): number {
    return this.#ring[(n & this.#mask) * STRIDE + DELIVERED] as number
  }
  deliveredAt(n: number): number {
    return this.#ring[(n & this.#mask) * STRIDE + DELIVERED_AT] as number
  }
  firstSent(n: number): number {
    return this.#ring[(n & this.#mask) * STRIDE + FIRST_SENT] as number
  }
  /** What delivery-rate.ts wants to know of its (last) sending. */
  stamp(
    n: number,
    delivered: number,
    deliveredAt: number,
    firstSent: number,
    limited: boolean,
  ): void {
    const at = (n & this.#mask) * STRIDE
    const flags = this.#ring[at + FLAGS] as number
    this.#ring[at + FLAGS] = limited ? flags | LIMITED : flags & ~LIMITED
    this.#ring[at + DELIVERED] = delivered
    this.#ring[at + DELIVERED_AT] = deliveredAt
    this.#ring[at + FIRST_SENT] = firstSent
  }
  /** Next in time order, or NONE. */
  later(n: number): number {
    return this.#ring[(n & this.#mask) * STRIDE + NEXT] as number
  }
  next(n: number): number {
    return (n + 1) & WRAP
  }
  /** The record of the highest sequence number; only when `count` > 0. */
  get last(): number {
    return (this.first + this.count - 1) & WRAP
  }

  clear(): void {
    this.first = 0
    this.count = 0
    this.oldest = NONE
    this.newest = NONE
    this.sackedBytes = 0
    this.lostBytes = 0
    this.sackedCount = 0
    this.#lostHint = 0
    this.#ring = EMPTY
    this.#mask = 0
  }

  /** Appends a segment behind the last; only when not `full`. */
  push(sequence: number, length: number, flags: number, time: number): void {
    if ((this.count + 1) * STRIDE > this.#ring.length) this.#grow()
    const n = (this.first + this.count) & WRAP
    const at = (n & this.#mask) * STRIDE
    this.#ring[at + SEQUENCE] = sequence
    this.#ring[at + LENGTH] = length
    this.#ring[at + TIME] = time
    this.#ring[at + FLAGS] = flags
    this.count++
    this.#list(n)
  }

  /** Takes the first record off. */
  shift(): void {
    const n = this.first
    const at = (n & this.#mask) * STRIDE
    const flags = this.#ring[at + FLAGS] as number
    const length = this.#ring[at + LENGTH] as number
    if ((flags & SACKED) !== 0) {
      this.sackedBytes -= length
      this.sackedCount--
    } else if ((flags & LOST) !== 0) this.lostBytes -= length
    if ((flags & LISTED) !== 0) this.#unlist(n)
    this.first = (n + 1) & WRAP
    this.count--
    if (this.#lostHint === n) this.#lostHint = this.first
    if (this.count === 0 && this.#ring.length > KEEP * STRIDE) {
      this.#ring = EMPTY
      this.#mask = 0
    }
  }

  /** Cuts the first record's front off: it was acknowledged in part. */
  trim(sequence: number): void {
    const at = (this.first & this.#mask) * STRIDE
    const gone = sequenceDistance(this.#ring[at + SEQUENCE] as number, sequence)
    const flags = this.#ring[at + FLAGS] as number
    if ((flags & SACKED) !== 0) this.#unmarkSacked(this.first)
    this.#ring[at + SEQUENCE] = sequence
    this.#ring[at + LENGTH] = (this.#ring[at + LENGTH] as number) - gone
    if ((flags & LOST) !== 0) this.lostBytes -= gone
  }

  /** It was SACKed and yet is not there: in flight again. */
  #unmarkSacked(n: number): void {
    const at = (n & this.#mask) * STRIDE
    this.sackedBytes -= this.#ring[at + LENGTH] as number
    this.sackedCount--
    this.#ring[at + FLAGS] = (this.#ring[at + FLAGS] as number) & ~SACKED
    this.#listOldest(n)
  }

  markSacked(n: number): void {
    const at = (n & this.#mask) * STRIDE
    const flags = this.#ring[at + FLAGS] as number
    const length = this.#ring[at + LENGTH] as number
    if ((flags & LOST) !== 0) this.lostBytes -= length
    this.sackedBytes += length
    this.sackedCount++
    if ((flags & LISTED) !== 0) this.#unlist(n)
    this.#ring[at + FLAGS] = (flags & ~(LOST | LISTED)) | SACKED
  }

  /** Out of the time order until it is sent again. */
  markLost(n: number): void {
    const at = (n & this.#mask) * STRIDE
    const flags = this.#ring[at + FLAGS] as number
    if ((flags & (LOST | SACKED)) !== 0) return
    const length = this.#ring[at + LENGTH] as number
    this.lostBytes += length
    this.lostEver = (this.lostEver + length) | 0
    if ((flags & LISTED) !== 0) this.#unlist(n)
    this.#ring[at + FLAGS] = (flags & ~LISTED) | LOST
    if (((n - this.first) & WRAP) < ((this.#lostHint - this.first) & WRAP)) this.#lostHint = n
  }

  /** It was sent again, now: in flight once more. */
  markRetransmitted(n: number, time: number): void {
    const at = (n & this.#mask) * STRIDE
    const flags = this.#ring[at + FLAGS] as number
    if ((flags & LOST) !== 0) this.lostBytes -= this.#ring[at + LENGTH] as number
    if ((flags & LISTED) !== 0) this.#unlist(n)
    this.#ring[at + FLAGS] = (flags & ~(LOST | LISTED)) | RETRANSMITTED
    this.#ring[at + TIME] = time
    this.#list(n)
  }

  /** The loss was no loss: every mark is taken back. */
  unmarkLost(): void {
    for (let i = this.count - 1; i >= 0 && this.lostBytes > 0; i--) {
      const n = (this.first + i) & WRAP
      const at = (n & this.#mask) * STRIDE
      const flags = this.#ring[at + FLAGS] as number
      if ((flags & LOST) === 0) continue
      this.lostBytes -= this.#ring[at + LENGTH] as number
      this.#ring[at + FLAGS] = flags & ~LOST
      this.#listOldest(n)
    }
  }

  /** The far side may have dropped what it SACKed (RFC 2018 section 8). */
  forgetSacked(): void {
    for (let i = 0, n = this.first; i < this.count; i++, n = (n + 1) & WRAP) {
      const at = (n & this.#mask) * STRIDE
      if (((this.#ring[at + FLAGS] as number) & SACKED) !== 0) this.#unmarkSacked(n)
    }
  }

  /** Lowest record marked lost, or NONE. */
  nextLost(): number {
    if (this.lostBytes === 0) return NONE
    const end = (this.first + this.count) & WRAP
    for (let n = this.#lostHint; n !== end; n = (n + 1) & WRAP) {
      if (((this.#ring[(n & this.#mask) * STRIDE + FLAGS] as number) & LOST) !== 0) {
        this.#lostHint = n
        return n
      }
    }
    return NONE
  }

  /** The record that holds `sequence`, or the first behind it; NONE when it lies behind all. */
  find(sequence: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (atOrBefore(this.end((this.first + middle) & WRAP), sequence)) low = middle + 1
      else high = middle
    }
    return low === this.count ? NONE : (this.first + low) & WRAP
  }

  /** Is `n` a record now? */
  holds(n: number): boolean {
    return n !== NONE && ((n - this.first) & WRAP) < this.count
  }

  /** Cuts all records to at most `most` bytes of data and marks those that were larger lost (the path's MTU has shrunk). */
  split(most: number): void {
    let pieces = 0
    for (let i = 0; i < this.count; i++) {
      const n = (this.first + i) & WRAP
      pieces += Math.max(1, Math.ceil((this.length(n) - (this.flags(n) & FIN ? 1 : 0)) / most))
    }
    if (pieces === this.count) return
    const old = new SentSegments()
    old.#ring = this.#ring
    old.#mask = this.#mask
    old.first = this.first
    const count = this.count
    let capacity = SMALLEST
    while (capacity < pieces) capacity *= 2
    this.clear()
    this.#ring = new Int32Array(capacity * STRIDE)
    this.#mask = capacity - 1
    for (let i = 0, n = old.first; i < count; i++, n = (n + 1) & WRAP) this.#pieces(old, n, most)
  }

  #pieces(old: SentSegments, n: number, most: number): void {
    const flags = old.flags(n)
    const end = old.end(n)
    const large = old.length(n) - (flags & FIN ? 1 : 0) > most
    let sequence = old.sequence(n)
    while (before(sequence, end)) {
      let length = sequenceDistance(sequence, end)
      let keep = flags & (RETRANSMITTED | FIN)
      if (length - (flags & FIN ? 1 : 0) > most) {
        length = most
        keep &= ~FIN
      }
      const piece = (this.first + this.count) & WRAP
      this.push(sequence, length, keep, old.time(n))
      this.stamp(
        piece,
        old.delivered(n),
        old.deliveredAt(n),
        old.firstSent(n),
        (flags & LIMITED) !== 0,
      )
      if ((flags & SACKED) !== 0) this.markSacked(piece)
      else if (large || (flags & LOST) !== 0) this.markLost(piece)
      sequence = sequenceAdd(sequence, length)
    }
  }

  #list(n: number): void {
    const at = (n & this.#mask) * STRIDE
    this.#ring[at + FLAGS] = (this.#ring[at + FLAGS] as number) | LISTED
    this.#ring[at + PREVIOUS] = this.newest
    this.#ring[at + NEXT] = NONE
    if (this.newest === NONE) this.oldest = n
    else this.#ring[(this.newest & this.#mask) * STRIDE + NEXT] = n
    this.newest = n
  }

  #listOldest(n: number): void {
    const at = (n & this.#mask) * STRIDE
    this.#ring[at + FLAGS] = (this.#ring[at + FLAGS] as number) | LISTED
    this.#ring[at + PREVIOUS] = NONE
    this.#ring[at + NEXT] = this.oldest
    if (this.oldest === NONE) this.newest = n
    else this.#ring[(this.oldest & this.#mask) * STRIDE + PREVIOUS] = n
    this.oldest = n
  }

  #unlist(n: number): void {
    const at = (n & this.#mask) * STRIDE
    const previous = this.#ring[at + PREVIOUS] as number
    const next = this.#ring[at + NEXT] as number
    if (previous === NONE) this.oldest = next
    else this.#ring[(previous & this.#mask) * STRIDE + NEXT] = next
    if (next === NONE) this.newest = previous
    else this.#ring[(next & this.#mask) * STRIDE + PREVIOUS] = previous
  }

  #grow(): void {
    const old = this.#ring
    const oldMask = this.#mask
    const capacity = old.length === 0 ? SMALLEST : (old.length / STRIDE) * 2
    const ring = new Int32Array(capacity * STRIDE)
    for (let i = 0, n = this.first; i < this.count; i++, n = (n + 1) & WRAP) {
      const from = (n & oldMask) * STRIDE
      const to = (n & (capacity - 1)) * STRIDE
      for (let k = 0; k < STRIDE; k++) ring[to + k] = old[from + k] as number
    }
    this.#ring = ring
    this.#mask = capacity - 1
  }
}
