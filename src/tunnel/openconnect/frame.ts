/**
 * Frames of the tunnel inside TLS ("CSTP", draft-mavrogiannopoulos-openconnect section 2.2):
 *
 *   'S' 'T' 'F' 1   length (2)   type   0   payload
 */
import { set16, u8, u16 } from '../../core/bytes.js'
import type { Bytes } from '../../core/types.js'
import { OC_FRAME_BYTES } from './limits.js'

export const FRAME_HEADER_SIZE = 8

export const FRAME = {
  data: 0,
  dpdRequest: 3,
  dpdResponse: 4,
  disconnect: 5,
  keepalive: 7,
  compressed: 8,
  terminate: 9,
} as const

/** Writes the header of a frame with this many bytes of payload. */
export function writeFrameHeader(out: Bytes, at: number, length: number, type: number): void {
  out[at] = 0x53
  out[at + 1] = 0x54
  out[at + 2] = 0x46
  out[at + 3] = 1
  set16(out, at + 4, length)
  out[at + 6] = type
  out[at + 7] = 0
}

export function frame(type: number, payload: Bytes = new Uint8Array(0)): Bytes {
  const out = new Uint8Array(FRAME_HEADER_SIZE + payload.length)
  writeFrameHeader(out, 0, payload.length, type)
  out.set(payload, FRAME_HEADER_SIZE)
  return out
}

/** Finds the frames in the stream, in whatever pieces it comes. */
export class FrameSplitter {
  readonly #partial = new Uint8Array(FRAME_HEADER_SIZE + OC_FRAME_BYTES)
  #have = 0

  /**
   * Hands on each whole frame, header included, as a view that holds during the call. False: the stream
   * can't be followed any further (no frame, or one above OC_FRAME_BYTES).
   */
  push(chunk: Bytes, onFrame: (frame: Bytes) => void): boolean {
    let at = 0
    while (at < chunk.length) {
      if (this.#have === 0 && chunk.length - at >= FRAME_HEADER_SIZE) {
        if (!isHeader(chunk, at)) return false
        const end = at + FRAME_HEADER_SIZE + u16(chunk, at + 4)
        if (end <= chunk.length) {
          onFrame(chunk.subarray(at, end))
          at = end
          continue
        }
      }
      at += this.#fill(chunk, at)
      if (this.#have < FRAME_HEADER_SIZE) continue
      if (!isHeader(this.#partial, 0)) return false
      const size = FRAME_HEADER_SIZE + u16(this.#partial, 4)
      if (this.#have < size) at += this.#fill(chunk, at, size)
      if (this.#have < size) continue
      this.#have = 0
      onFrame(this.#partial.subarray(0, size))
    }
    return true
  }

  /** Copies until `size` bytes of the frame begun are there, or the chunk is used up. Returns the bytes taken. */
  #fill(chunk: Bytes, from: number, size = FRAME_HEADER_SIZE): number {
    if (this.#have >= size) return 0
    const part = chunk.subarray(from, from + size - this.#have)
    this.#partial.set(part, this.#have)
    this.#have += part.length
    return part.length
  }
}

function isHeader(bytes: Bytes, at: number): boolean {
  return (
    u8(bytes, at) === 0x53 &&
    u8(bytes, at + 1) === 0x54 &&
    u8(bytes, at + 2) === 0x46 &&
    u8(bytes, at + 3) === 1 &&
    u16(bytes, at + 4) <= OC_FRAME_BYTES
  )
}

/** Is this frame worth taking from a connection that was replaced? Its farewell is not. */
export function isDataFrame(bytes: Bytes): boolean {
  return u8(bytes, 6) === FRAME.data
}
