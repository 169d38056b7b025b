import { SeededRandom } from '../sim/random.js'

/** Numbers from 0 up to 1, the same for the same seed. */
export function seededNumbers(seed: number): () => number {
  const random = new SeededRandom(seed)
  return () => random.fraction()
}
