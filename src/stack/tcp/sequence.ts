/**
 * Sequence numbers (RFC 9293 section 3.4) as signed 32-bit integers: they stay small integers in V8,
 * and the sign of a wrapped difference is their order. The one home of this arithmetic.
 */

/** a + n, wrapped. */
export function sequenceAdd(a: number, n: number): number {
  return (a + n) | 0
}

/** Bytes from `from` to `to`; negative when `to` lies before. */
export function sequenceDistance(from: number, to: number): number {
  return (to - from) | 0
}

/** a < b */
export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0
}

/** a <= b */
export function atOrBefore(a: number, b: number): boolean {
  return ((a - b) | 0) <= 0
}

/** The later of two. */
export function latest(a: number, b: number): number {
  return ((a - b) | 0) < 0 ? b : a
}

/** The earlier of two. */
export function earliest(a: number, b: number): number {
  return ((a - b) | 0) < 0 ? a : b
}
