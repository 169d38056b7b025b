import type { Random } from '../../src/core/types.js'
import { SeededRandom } from '../sim/random.js'

/** Bytes, the same for the same seed: in place of the system's. */
export function seededRandom(seed: number): Random {
  return new SeededRandom(seed).fill
}

/** Numbers from 0 up to 1, the same for the same seed. */
export function seededNumbers(seed: number): () => number {
  const random = new SeededRandom(seed)
  return () => random.fraction()
}
