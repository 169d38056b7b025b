/** Property runs that are bounded in time; the seed is printed by fast-check when one fails. */
import type fc from 'fast-check'

/** Milliseconds for one property: FUZZ_SECONDS, default one second. */
export const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 1) * 1000

export const fuzzRun: fc.Parameters<unknown> = {
  numRuns: Number.POSITIVE_INFINITY,
  interruptAfterTimeLimit: FUZZ_MS,
  markInterruptAsFailure: false,
}

/** The same bytes in pieces, cut at these places. */
export function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted(
    (a, b) => a - b,
  )
  return places.slice(1).map((end, i) => bytes.slice(places[i], end))
}
