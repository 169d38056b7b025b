/** The real random source behind core's `Random`. */
import { randomFillSync } from 'node:crypto'
import type { Random } from '../core/types.js'

/** Bytes fetched at a time: a call per number would cost more than the number. */
const POOL = new Uint8Array(4096)
let used = POOL.length

export const systemRandom: Random = (out) => {
  if (out.length > POOL.length / 4) {
    randomFillSync(out)
    return
  }
  if (used + out.length > POOL.length) {
    randomFillSync(POOL)
    used = 0
  }
  out.set(POOL.subarray(used, used + out.length))
  // What was handed out is not kept: it may become a key.
  POOL.fill(0, used, used + out.length)
  used += out.length
}
