/**
 * Bytes that have arrived. Data is copied once, from the batch to its place: what comes out of order
 * too, so that closing a gap copies nothing.
 *
 *   chunks   | ....rrrrrrrr | rrrrrr--oooo | --ooo....... |
 *                  ^ head                                     r readable  o out of order  - gap
 */
import { type Allocator, allocatePart, pieceSize, plainAllocator } from '../../core/allocator.js'
import type { Bytes } from '../../core/types.js'
import { RECEIVE_CHUNK } from './limits.js'
import { SharedMemory } from './shared-memory.js'

/** Memory for data behind a gap comes in pieces of at least this, in bytes. */
const GAP_CHUNK = 16_384

export class ReceiveBuffer {
  #account: SharedMemory
  readonly #allocator: Allocator
  #chunks: Bytes[] = []
  /** Read position in the first chunk. */
  #head = 0
  /** Bytes of all chunks. */
  #capacity = 0
  /** Chunk and position in it where the next byte in order goes. */
  #tail = 0
  #tailAt = 0
  /** Bytes of the last read: the best guess at the next one. */
  #lastRead = 0
  /** In order and not yet read, in bytes. */
  ready = 0
  /** Memory taken, in bytes: at least `ready` and what is out of order. */
  get held(): number {
    return this.#capacity
  }

  constructor(account: SharedMemory, allocator: Allocator = plainAllocator) {
    this.#account = account
    this.#allocator = allocator
  }

  /** Bytes of memory that `length` bytes at `offset` (as for `place`) need beyond what is held. */
  missing(offset: number, length: number): number {
    return Math.max(0, this.#head + this.ready + offset + length - this.#capacity)
  }

  /** Puts data at its place, `offset` bytes behind the last byte in order, without making it readable. */
  place(offset: number, bytes: Bytes, at: number, length: number): void {
    const position = this.#head + this.ready + offset
    if (position + length > this.#capacity) this.#extend(position + length, offset > 0)
    let index = this.#tail
    let to = this.#tailAt + offset
    let chunk = this.#chunks[index] as Bytes
    while (to >= chunk.length) {
      to -= chunk.length
      chunk = this.#chunks[++index] as Bytes
    }
    let from = at
    let left = length
    for (;;) {
      const size = Math.min(left, chunk.length - to)
      chunk.set(bytes.subarray(from, from + size), to)
      left -= size
      if (left === 0) return
      from += size
      to = 0
      chunk = this.#chunks[++index] as Bytes
    }
  }

  /** Makes the next `length` bytes readable: they are all in place now. */
  advance(length: number): void {
    this.ready += length
    let at = this.#tailAt + length
    let tail = this.#tail
    while (tail < this.#chunks.length - 1 && at >= (this.#chunks[tail] as Bytes).length) {
      at -= (this.#chunks[tail] as Bytes).length
      tail++
    }
    this.#tail = tail
    this.#tailAt = at
  }

  /** Everything readable as one array of the caller's; `gaps`: data out of order lies behind it and stays. */
  read(gaps: boolean): Bytes | undefined {
    const size = this.ready
    if (size === 0) return undefined
    this.#lastRead = size
    const first = this.#chunks[0] as Bytes
    if (gaps) return this.#take(size)
    const end = this.#head + size
    // A chunk that is mostly full is handed over; little data must not keep much memory alive.
    if (this.#chunks.length === 1 && size * 2 >= first.length) {
      const out = first.subarray(this.#head, end)
      this.#clear()
      return out
    }
    const out = this.#chunks.length === 1 ? first.slice(this.#head, end) : this.#join(size)
    this.release()
    return out
  }

  /** The connection is over: what is left belongs to its user alone, who may never come for it. */
  detach(): void {
    this.#account.held -= this.#capacity
    this.#account = new SharedMemory(Number.POSITIVE_INFINITY)
    this.#account.held = this.#capacity
  }

  /** Forgets everything and gives the memory back. */
  release(): void {
    for (const chunk of this.#chunks) this.#allocator.free(chunk)
    this.#clear()
  }

  #clear(): void {
    this.#account.held -= this.#capacity
    this.#capacity = 0
    this.#chunks = []
    this.#head = 0
    this.#tail = 0
    this.#tailAt = 0
    this.ready = 0
  }

  #join(size: number): Bytes {
    const out = allocatePart(this.#allocator, size)
    let to = 0
    let from = this.#head
    for (let i = 0; to < size; i++) {
      const chunk = this.#chunks[i] as Bytes
      const part = Math.min(chunk.length - from, size - to)
      out.set(chunk.subarray(from, from + part), to)
      to += part
      from = 0
    }
    return out
  }

  #take(size: number): Bytes {
    const out = this.#join(size)
    this.#head += size
    this.ready = 0
    let gone = 0
    while (gone < this.#tail) {
      const chunk = this.#chunks[gone] as Bytes
      const { length } = chunk
      this.#allocator.free(chunk)
      this.#head -= length
      this.#capacity -= length
      this.#account.held -= length
      gone++
    }
    if (gone > 0) this.#chunks.splice(0, gone)
    this.#tail = 0
    return out
  }

  #extend(needed: number, gap: boolean): void {
    while (this.#capacity < needed) {
      const missing = needed - this.#capacity
      // As much as was read last time, then doubling: a steady stream fits one chunk, a lone small segment wastes nothing.
      const guess = this.#capacity === 0 ? this.#lastRead : 2 * this.#capacity
      const more = Math.max(guess, gap || missing > GAP_CHUNK ? GAP_CHUNK : 0)
      // Where memory is short nothing is taken in advance.
      const size = Math.min(
        RECEIVE_CHUNK,
        this.#account.pressed ? missing : pieceSize(Math.max(missing, more)),
      )
      this.#chunks.push(this.#allocator.allocate(size))
      this.#capacity += size
      this.#account.held += size
    }
  }
}
