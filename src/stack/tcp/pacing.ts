/**
 * Pacing: a window is spread over its round trip instead of leaving at once, so that a burst does not
 * overflow a queue on the way (a tunnel's far end has a socket buffer of 208 KiB by default) and is
 * taken for congestion. The rate is the congestion control's.
 */
import type { Connection } from './connection.js'

/** Round trips below this many milliseconds are not paced: the timers are no finer. */
export const PACED_ROUND_TRIP = 3
/** Milliseconds of the rate that may leave at once. */
const BURST = 1

/** May a new segment leave now? If not, `paceWaits` is set. */
export function paceAllows(c: Connection): boolean {
  if (c.paceAt <= c.stack.now) return true
  c.paceWaits = true
  return false
}

/** A segment has left, for the first time or again. */
export function paceSent(c: Connection, bytes: number): void {
  const { smoothed } = c.trip
  if (!c.stack.pacing || smoothed < PACED_ROUND_TRIP) return
  c.paceAt = Math.max(c.paceAt, c.stack.now - BURST) + bytes / c.congestion.rate(smoothed, c.mss)
}
