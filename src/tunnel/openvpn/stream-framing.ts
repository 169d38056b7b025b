/** Packets over TCP: each behind its length, 2 bytes. */
import { u8, u16 } from '../../core/bytes.js'
import type { Bytes } from '../../core/types.js'
import { OVPN_STREAM_PACKET_BYTES } from './limits.js'

/** Bytes of the length in front of each packet. */
export const FRAME_HEADER_SIZE = 2

export class StreamSplitter {
  readonly #partial = new Uint8Array(FRAME_HEADER_SIZE + OVPN_STREAM_PACKET_BYTES)
  #have = 0

  /**
   * Hands on each whole packet of the stream, as a view that holds during the call. False: the
   * stream cannot be followed any further (an empty packet, or one above OVPN_STREAM_PACKET_BYTES).
   */
  push(chunk: Bytes, onPacket: (packet: Bytes) => void): boolean {
    let at = 0
    while (at < chunk.length) {
      if (this.#have === 0 && chunk.length - at >= FRAME_HEADER_SIZE) {
        const length = u16(chunk, at)
        if (!fits(length)) return false
        const end = at + FRAME_HEADER_SIZE + length
        if (end <= chunk.length) {
          onPacket(chunk.subarray(at + FRAME_HEADER_SIZE, end))
          at = end
          continue
        }
      }
      const taken = this.#fill(chunk, at)
      if (taken < 0) return false
      at += taken
      this.#deliver(onPacket)
    }
    return true
  }

  /** Copies what belongs to the packet begun. Returns the bytes taken, -1 for a bad length. */
  #fill(chunk: Bytes, from: number): number {
    const partial = this.#partial
    let at = from
    while (this.#have < FRAME_HEADER_SIZE && at < chunk.length) {
      partial[this.#have++] = u8(chunk, at++)
    }
    if (this.#have < FRAME_HEADER_SIZE) return at - from
    const length = u16(partial, 0)
    if (!fits(length)) return -1
    const wanted = FRAME_HEADER_SIZE + length - this.#have
    const part = chunk.subarray(at, at + wanted)
    partial.set(part, this.#have)
    this.#have += part.length
    return at - from + part.length
  }

  #deliver(onPacket: (packet: Bytes) => void): void {
    if (this.#have < FRAME_HEADER_SIZE) return
    const end = FRAME_HEADER_SIZE + u16(this.#partial, 0)
    if (this.#have < end) return
    this.#have = 0
    onPacket(this.#partial.subarray(FRAME_HEADER_SIZE, end))
  }
}

function fits(length: number): boolean {
  return length > 0 && length <= OVPN_STREAM_PACKET_BYTES
}
