/**
 * A batch of packets in one piece of memory: the currency of the hot path. A batch is made once and
 * reused; nothing is allocated per packet.
 *
 *   bytes   |  headroom  packet  tailroom  |  headroom  packet  tailroom  | …
 *           ^ slot 0     ^ offset[0]       ^ slot 1
 *
 * The headroom lets a tunnel put its header in front of an IP packet, the tailroom its tag behind,
 * in place. A packet's bytes are `bytes[offset[i] … offset[i]+length[i])`. A length of 0 marks a
 * packet that was dropped on the way; whoever walks a batch skips those.
 */
import type { Bytes } from './types.js'

/** Bytes of one socket address in `address`; see socket-address.ts for the codec. */
export const ADDRESS_SIZE = 24

/** Length of a datagram without content, which a socket tells from a slot whose packet was dropped. */
export const EMPTY_DATAGRAM = -1

export interface BatchOptions {
  /** Packets that fit. */
  readonly capacity: number
  /** Largest IP packet (or datagram) that fits between headroom and tailroom, in bytes. */
  readonly packetSize: number
  /**
   * Bytes in all, for a filler that chooses the offsets itself (a socket that receives many datagrams
   * into one region); such a batch has no `place`. Default: a slot for each packet.
   */
  readonly memory?: number
}

/** Room in front of each packet for tunnel headers (WireGuard needs 16), in bytes. */
export const HEADROOM = 64
/** Room behind each packet for padding and tag, in bytes. */
export const TAILROOM = 64

export class PacketBatch {
  readonly bytes: Bytes
  readonly offset: Int32Array
  readonly length: Int32Array
  /**
   * Remote socket address of each datagram (source when received, destination when to be sent):
   * ADDRESS_SIZE bytes each. Meaningless while the slot holds an IP packet.
   */
  readonly address: Bytes
  readonly capacity: number
  readonly slotSize: number
  readonly packetSize: number
  count = 0

  constructor(options: BatchOptions) {
    this.capacity = options.capacity
    this.packetSize = options.packetSize
    // A multiple of 64 keeps slots from sharing cache lines.
    this.slotSize = (HEADROOM + options.packetSize + TAILROOM + 63) & ~63
    this.bytes = new Uint8Array(new ArrayBuffer(options.memory ?? this.capacity * this.slotSize))
    this.offset = new Int32Array(this.capacity)
    this.length = new Int32Array(this.capacity)
    this.address = new Uint8Array(this.capacity * ADDRESS_SIZE)
    this.reset()
  }

  get full(): boolean {
    return this.count === this.capacity
  }

  /** Empties the batch; slots point at their usual place again. */
  reset(): void {
    for (let i = 0; i < this.capacity; i++) this.offset[i] = i * this.slotSize + HEADROOM
    this.length.fill(0)
    this.count = 0
  }

  /**
   * Opens the next slot for a packet and returns the index in `bytes` where it starts. The caller
   * writes at most `packetSize` bytes there, then calls `commit`. Only when not `full`.
   */
  place(): number {
    const at = this.count * this.slotSize + HEADROOM
    this.offset[this.count] = at
    return at
  }

  /** Closes the slot opened by `place` with the packet's length in bytes. */
  commit(length: number): void {
    this.length[this.count] = length
    this.count++
  }

  /** Copies a packet in. False: full, or larger than `packetSize`. */
  push(packet: Bytes): boolean {
    if (this.count === this.capacity || packet.length > this.packetSize) return false
    this.bytes.set(packet, this.place())
    this.commit(packet.length)
    return true
  }

  /** A view of packet `i`: for slow paths and tests (allocates). */
  view(i: number): Bytes {
    const at = this.offset[i] as number
    return this.bytes.subarray(at, at + Math.max(0, this.length[i] as number))
  }
}
