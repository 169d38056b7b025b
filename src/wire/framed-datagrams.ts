/** Datagrams on a stream: two bytes of length before each. */
import { set16, u16 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'

/** The largest that the length can say, in bytes. */
export const LARGEST_FRAME = 65_535

/** A datagram with its length in front; it has at most LARGEST_FRAME bytes. */
export function frameDatagram(datagram: Bytes): Bytes {
  const out = new Uint8Array(2 + datagram.length)
  set16(out, 0, datagram.length)
  out.set(datagram, 2)
  return out
}

/** Finds the datagrams in a stream; never holds more than one. */
export class DatagramSplitter {
  #held: Bytes = new Uint8Array(0)

  /** `onDatagram` gets views that hold during the call. */
  push(chunk: Bytes, onDatagram: (datagram: Bytes) => void): void {
    let bytes = chunk
    if (this.#held.length > 0) {
      bytes = new Uint8Array(this.#held.length + chunk.length)
      bytes.set(this.#held)
      bytes.set(chunk, this.#held.length)
    }
    let at = 0
    while (bytes.length - at >= 2) {
      const end = at + 2 + u16(bytes, at)
      if (end > bytes.length) break
      onDatagram(bytes.subarray(at + 2, end))
      at = end
    }
    this.#held = bytes.slice(at)
  }
}
