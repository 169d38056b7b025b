/** Property runs that are bounded in time; the seed is printed by fast-check when one fails. */
import fc from 'fast-check'
import type { Test } from 'tap'

/** Milliseconds for one property: FUZZ_SECONDS, default one second. */
export const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 1) * 1000

export const fuzzRun: fc.Parameters<unknown> = {
  numRuns: Number.POSITIVE_INFINITY,
  interruptAfterTimeLimit: FUZZ_MS,
  markInterruptAsFailure: false,
}

/** The property holds for whatever is made up; the test's own assertion says how often it was tried. */
export function holds<Ts>(t: Pick<Test, 'ok'>, property: fc.IProperty<Ts>): void {
  const found = fc.check(property, fuzzRun as fc.Parameters<Ts>)
  const how = fc.defaultReportMessage(found) ?? `${found.numRuns} runs`
  t.ok(!found.failed && found.numRuns > 0, how)
}

/** The same bytes in pieces, cut at these places. */
export function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted(
    (a, b) => a - b,
  )
  return places.slice(1).map((end, i) => bytes.slice(places[i], end))
}
