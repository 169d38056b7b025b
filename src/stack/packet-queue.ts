/** Ready-made packets that wait for `output`: a bounded first-in-first-out ring whose buffers are reused. */
import type { PacketBatch } from '../core/packet-batch.js'
import type { Bytes } from '../core/types.js'

/** Smallest buffer of a place in the ring, in bytes. */
const SMALLEST = 256

export class PacketQueue {
  readonly #buffers: Bytes[] = []
  readonly #lengths: number[] = []
  readonly #mostPackets: number
  readonly #mostBytes: number
  #head = 0
  #count = 0
  #bytes = 0

  constructor(mostPackets: number, mostBytes: number) {
    this.#mostPackets = mostPackets
    this.#mostBytes = mostBytes
  }

  get length(): number {
    return this.#count
  }

  /** Room for a packet of this length at the end, to be written at once; undefined at a bound. */
  place(length: number): Bytes | undefined {
    if (this.#count >= this.#mostPackets || this.#bytes + length > this.#mostBytes) return undefined
    // The ring grows to what was ever needed; only an empty one can change its size in place.
    if (this.#count === this.#buffers.length) this.#grow()
    const i = (this.#head + this.#count) % this.#buffers.length
    let buffer = this.#buffers[i] as Bytes
    if (buffer.length < length) {
      buffer = new Uint8Array(Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(length))))
      this.#buffers[i] = buffer
    }
    this.#lengths[i] = length
    this.#count++
    this.#bytes += length
    return buffer
  }

  /** Moves packets into the batch, at most `most`; one that does not fit a slot is dropped. The number moved. */
  drain(batch: PacketBatch, most: number): number {
    let moved = 0
    while (moved < most && this.#count > 0 && !batch.full) {
      const length = this.#lengths[this.#head] as number
      const buffer = this.#buffers[this.#head] as Bytes
      if (batch.push(buffer.subarray(0, length))) moved++
      this.#head = (this.#head + 1) % this.#buffers.length
      this.#count--
      this.#bytes -= length
    }
    return moved
  }

  #grow(): void {
    const old = this.#buffers.length
    const size = Math.min(this.#mostPackets, Math.max(8, old * 2))
    const buffers: Bytes[] = []
    const lengths: number[] = []
    for (let i = 0; i < size; i++) {
      const from = (this.#head + i) % Math.max(1, old)
      buffers.push((i < old ? this.#buffers[from] : undefined) ?? new Uint8Array(0))
      lengths.push((i < old ? this.#lengths[from] : undefined) ?? 0)
    }
    this.#buffers.splice(0, old, ...buffers)
    this.#lengths.splice(0, old, ...lengths)
    this.#head = 0
  }
}
