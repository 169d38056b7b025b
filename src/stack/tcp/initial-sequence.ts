/** Initial sequence numbers (RFC 6528) and timestamp offsets (RFC 7323 section 7.1): a clock plus a keyed hash of both ends. */
import { set16 } from '../../core/bytes.js'
import type { Bytes, Millis, Random } from '../../core/types.js'
import { sipHash } from './sip-hash.js'

/** One tick of the clock every 4 µs. */
const TICKS_PER_MILLISECOND = 250

export class InitialSequence {
  readonly #key = new Uint8Array(16)
  readonly #out = new Int32Array(2)
  /** Of the last `choose`. */
  sequence = 0
  timestampOffset = 0

  constructor(random: Random) {
    random(this.#key)
  }

  /** For the same two ends the numbers grow with time, so that a late segment of an old connection can't fit. */
  choose(local: Bytes, localPort: number, remote: Bytes, remotePort: number, now: Millis): void {
    const size = local.length
    const ends = new Uint8Array(2 * size + 4)
    ends.set(local)
    ends.set(remote, size)
    set16(ends, 2 * size, localPort)
    set16(ends, 2 * size + 2, remotePort)
    sipHash(this.#key, ends, this.#out)
    this.sequence = ((this.#out[0] as number) + Math.floor(now * TICKS_PER_MILLISECOND)) | 0
    this.timestampOffset = this.#out[1] as number
  }
}
