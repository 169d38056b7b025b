import type { Random } from '../../src/core/types.js'

/** Bytes that are the same in each run. */
export function seeded(seed: number): Random {
  let state = seed
  return (out) => {
    for (let i = 0; i < out.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      out[i] = state >>> 24
    }
  }
}
