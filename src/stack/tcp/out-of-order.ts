/**
 * Which sequence ranges have arrived beyond a gap, and what to tell the sender of them: SACK blocks
 * (RFC 2018 section 4), the block of a duplicate first (RFC 2883 section 4).
 */
import { OUT_OF_ORDER_RANGES, SACK_RECENT } from './limits.js'
import { atOrBefore, before, earliest, latest, sequenceDistance } from './sequence.js'

export class OutOfOrder {
  /** Left and right edges of disjoint ranges in order. */
  #left: number[] = []
  #right: number[] = []
  /** A sequence number inside each of the ranges last changed, latest first. */
  #recent: number[] = []
  /** So many of them, from the first on, have changed since the sender was told of them. */
  #untold = 0
  /** Bytes in all ranges. */
  bytes = 0

  get empty(): boolean {
    return this.#left.length === 0
  }

  /** Right edge of the last range; only when not `empty`. */
  get end(): number {
    return this.#right[this.#right.length - 1] as number
  }

  /** Adds [left, right). False: it would open a range too many. */
  add(left: number, right: number): boolean {
    const lefts = this.#left
    const rights = this.#right
    // Mostly the last range grows, so the search runs from behind: `low` … `high`-1 touch the new range.
    let high = lefts.length
    while (high > 0 && before(right, lefts[high - 1] as number)) high--
    let low = high
    while (low > 0 && atOrBefore(left, rights[low - 1] as number)) low--
    if (low === high) {
      if (lefts.length >= OUT_OF_ORDER_RANGES) return false
      lefts.splice(low, 0, left)
      rights.splice(low, 0, right)
      this.bytes += sequenceDistance(left, right)
    } else {
      for (let i = low; i < high; i++) {
        this.bytes -= sequenceDistance(lefts[i] as number, rights[i] as number)
      }
      lefts[low] = earliest(left, lefts[low] as number)
      rights[low] = latest(right, rights[high - 1] as number)
      this.bytes += sequenceDistance(lefts[low] as number, rights[low] as number)
      if (high - low > 1) {
        lefts.splice(low + 1, high - low - 1)
        rights.splice(low + 1, high - low - 1)
      }
    }
    this.#touch(left, lefts[low] as number, rights[low] as number, high - low > 1)
    return true
  }

  #touch(sequence: number, left: number, right: number, merged: boolean): void {
    const recent = this.#recent
    // One range must have one entry: two equal blocks would look like a DSACK.
    if (recent.length > 0 && !merged && inside(recent[0] as number, left, right)) {
      if (this.#untold === 0) this.#untold = 1
      return
    }
    let untold = 1
    const kept = [sequence]
    for (let i = 0; i < recent.length && kept.length < SACK_RECENT; i++) {
      const other = recent[i] as number
      if (inside(other, left, right)) continue
      if (i < this.#untold) untold++
      kept.push(other)
    }
    this.#recent = kept
    this.#untold = untold
  }

  /** Does [left, right) lie wholly in one range? */
  contains(left: number, right: number): boolean {
    for (let i = this.#left.length - 1; i >= 0; i--) {
      if (atOrBefore(this.#left[i] as number, left)) {
        return atOrBefore(right, this.#right[i] as number)
      }
    }
    return false
  }

  /** Everything before `next` is in order now; the result is the end of what follows it without a gap. */
  merge(next: number): number {
    let gone = 0
    let end = next
    while (gone < this.#left.length && atOrBefore(this.#left[gone] as number, end)) {
      end = latest(end, this.#right[gone] as number)
      this.bytes -= sequenceDistance(this.#left[gone] as number, this.#right[gone] as number)
      gone++
    }
    if (gone > 0) {
      this.#left.splice(0, gone)
      this.#right.splice(0, gone)
      let untold = 0
      this.#recent = this.#recent.filter((s, i) => {
        if (before(s, end)) return false
        if (i < this.#untold) untold++
        return true
      })
      this.#untold = untold
    }
    return end
  }

  /**
   * Writes up to `most` blocks to out[2 × from …], those last changed first; the number of blocks in
   * `out`. When more ranges have changed than fit, the oldest of them come first (`untold` stays true):
   * a sender that heard of the newest alone would take the others for reordered when it hears of them.
   */
  blocks(out: Int32Array, from: number, most: number): number {
    const room = most - from
    let at = Math.max(0, this.#untold - room)
    this.#untold = at
    let count = from
    for (; at < this.#recent.length && count < most; at++) {
      const i = this.#rangeOf(this.#recent[at] as number)
      if (i < 0) continue
      out[2 * count] = this.#left[i] as number
      out[2 * count + 1] = this.#right[i] as number
      count++
    }
    return count
  }

  /** Have ranges changed of which no block has told yet? */
  get untold(): boolean {
    return this.#untold > 0
  }

  #rangeOf(sequence: number): number {
    for (let i = this.#left.length - 1; i >= 0; i--) {
      if (atOrBefore(this.#left[i] as number, sequence)) {
        return before(sequence, this.#right[i] as number) ? i : -1
      }
    }
    return -1
  }

  clear(): void {
    this.#left = []
    this.#right = []
    this.#recent = []
    this.#untold = 0
    this.bytes = 0
  }
}

function inside(sequence: number, left: number, right: number): boolean {
  return atOrBefore(left, sequence) && before(sequence, right)
}
