/**
 * Bytes written and not yet acknowledged, as a list of the writer's own chunks (kept by reference).
 * Small writes are copied together, so that their count costs no memory.
 *
 *   chunks  | aaaaaaaaaa | bbbb | cccccccc |
 *   starts  s0           s1     s2         end      (sequence numbers)
 *              ^ start: first byte not acknowledged
 */
import { type Allocator, plainAllocator } from '../../core/allocator.js'
import type { Bytes } from '../../core/types.js'
import { atOrBefore, before, sequenceAdd, sequenceDistance } from './sequence.js'

/** Writes below this are copied, in bytes. */
const SMALL_WRITE = 1024
/** Memory for copied writes, in bytes. */
const SMALL_CHUNK = 4096
/** Dead entries at the front before the lists are cut. */
const COMPACT = 64

export class SendBuffer {
  readonly #allocator: Allocator
  #chunks: Bytes[] = []
  /** Sequence number of each chunk's first byte. */
  #starts: number[] = []
  /** First chunk still in use. */
  #first = 0
  /** Chunk of the last look-up. */
  #hint = 0
  /** Bytes left in the last chunk when it is ours to append to. */
  #room = 0
  /** Sequence number of the first byte not acknowledged. */
  start = 0
  /** Sequence number behind the last byte written. */
  end = 0

  /** Bytes that were written are released to the allocator once they are acknowledged. */
  constructor(allocator: Allocator = plainAllocator) {
    this.#allocator = allocator
  }

  /** Empties the buffer; the next byte written gets this sequence number. */
  reset(sequence: number): void {
    this.#chunks = []
    this.#starts = []
    this.#first = 0
    this.#hint = 0
    this.#room = 0
    this.start = sequence
    this.end = sequence
  }

  get size(): number {
    return sequenceDistance(this.start, this.end)
  }

  append(bytes: Bytes): void {
    const length = bytes.length
    if (length >= SMALL_WRITE) {
      this.#push(bytes)
      this.#room = 0
    } else {
      let taken = 0
      if (this.#room > 0) {
        taken = Math.min(this.#room, length)
        const last = this.#chunks[this.#chunks.length - 1] as Bytes
        last.set(taken === length ? bytes : bytes.subarray(0, taken), last.length - this.#room)
        this.#room -= taken
      }
      if (taken < length) {
        const rest = taken === 0 ? bytes : bytes.subarray(taken)
        // A lone small write gets what it needs; more of them share a chunk.
        const alone = this.size === 0 && taken === 0
        const chunk = new Uint8Array(alone ? Math.max(64, rest.length) : SMALL_CHUNK)
        chunk.set(rest)
        const start = sequenceAdd(this.end, taken)
        this.#chunks.push(chunk)
        this.#starts.push(start)
        this.#room = chunk.length - rest.length
      }
    }
    this.end = sequenceAdd(this.end, length)
  }

  #push(bytes: Bytes): void {
    this.#chunks.push(bytes)
    this.#starts.push(this.end)
  }

  /** Lets go of everything before `sequence`. */
  acknowledge(sequence: number): void {
    this.start = sequence
    if (sequence === this.end) {
      if (this.#chunks.length > 0) {
        for (let i = this.#first; i < this.#chunks.length; i++) this.#release(i)
        this.#chunks = []
        this.#starts = []
      }
      this.#first = 0
      this.#hint = 0
      this.#room = 0
      return
    }
    const starts = this.#starts
    let first = this.#first
    while (first + 1 < starts.length && atOrBefore(starts[first + 1] as number, sequence)) {
      this.#release(first)
      this.#chunks[first] = NOTHING
      first++
    }
    this.#first = first
    if (first >= COMPACT && first * 2 >= starts.length) {
      this.#chunks.splice(0, first)
      starts.splice(0, first)
      this.#hint = Math.max(0, this.#hint - first)
      this.#first = 0
    }
  }

  #release(index: number): void {
    const chunk = this.#chunks[index] as Bytes
    // Below that it is a copy of ours.
    if (chunk.length >= SMALL_WRITE) this.#allocator.release(chunk)
  }

  /** Copies `length` bytes from `sequence` on to out[at …]; they must be in the buffer. */
  copy(sequence: number, length: number, out: Bytes, at: number): void {
    let index = this.#find(sequence)
    let from = sequenceDistance(this.#starts[index] as number, sequence)
    let left = length
    let to = at
    while (left > 0) {
      const chunk = this.#chunks[index] as Bytes
      const next = index + 1 < this.#starts.length ? (this.#starts[index + 1] as number) : this.end
      const size = Math.min(left, sequenceDistance(this.#starts[index] as number, next) - from)
      out.set(chunk.subarray(from, from + size), to)
      to += size
      left -= size
      from = 0
      index++
    }
    this.#hint = index - 1
  }

  #find(sequence: number): number {
    const starts = this.#starts
    const hint = this.#hint
    // Segments are mostly cut one behind the other: this chunk or the next.
    for (let i = Math.max(hint, this.#first); i <= hint + 1 && i < starts.length; i++) {
      const next = i + 1 < starts.length ? (starts[i + 1] as number) : this.end
      if (atOrBefore(starts[i] as number, sequence) && before(sequence, next)) return i
    }
    let low = this.#first
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (atOrBefore(starts[middle] as number, sequence)) low = middle
      else high = middle - 1
    }
    return low
  }
}

const NOTHING = new Uint8Array(0)
