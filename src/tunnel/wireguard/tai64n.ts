/** TAI64N timestamps (paper section 5.1): 12 bytes whose order as bytes is the order in time. */
import { set32, u8 } from '../../core/bytes.js'
import type { Bytes } from '../../core/types.js'

export const TIMESTAMP_SIZE = 12

/** 2^62 plus the ten seconds between TAI and UTC in 1970, as the two halves of a 64-bit number. */
const BASE_HIGH = 0x40000000
const BASE_LOW = 10
/** Milliseconds of one step: coarse, so that the timestamp tells nothing about our clock's fine state. */
const STEP = 16
const TWO_32 = 2 ** 32

/** Makes timestamps that always grow, even when the wall clock stands still or goes back. */
export class TimestampSource {
  #lastStep = -1

  /** `wallClock`: milliseconds since 1970. */
  next(wallClock: number): Bytes {
    const step = Math.max(Math.floor(wallClock / STEP), this.#lastStep + 1)
    this.#lastStep = step
    const ms = step * STEP
    const seconds = Math.floor(ms / 1000) + BASE_LOW
    const out = new Uint8Array(TIMESTAMP_SIZE)
    set32(out, 0, BASE_HIGH + Math.floor(seconds / TWO_32))
    set32(out, 4, seconds % TWO_32)
    set32(out, 8, (ms % 1000) * 1_000_000)
    return out
  }
}

/** Is `a` later than `b`? */
export function isLater(a: Bytes, b: Bytes): boolean {
  for (let i = 0; i < TIMESTAMP_SIZE; i++) {
    if (u8(a, i) !== u8(b, i)) return u8(a, i) > u8(b, i)
  }
  return false
}
