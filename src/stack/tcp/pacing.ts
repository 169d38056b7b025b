/**
 * Pacing: a window is spread over its round trip instead of leaving at once, so that a burst does not
 * overflow a queue on the way (a tunnel's far end has a socket buffer of 208 KiB by default) and is
 * taken for congestion. Rates as Linux has them: twice the window's in slow start, else 1.2 times.
 */
import type { Connection } from './connection.js'

const SLOW_START = 2
const AVOIDANCE = 1.2
/** Round trips below this many milliseconds are not paced: the timers are no finer. */
const ROUND_TRIP_LEAST = 3
/** Milliseconds of the rate that may leave at once. */
const BURST = 2

/** May a new segment leave now? If not, `paceWaits` is set. */
export function paceAllows(c: Connection): boolean {
  if (c.paceAt <= c.stack.now) return true
  c.paceWaits = true
  return false
}

/** A segment has left. */
export function paceSent(c: Connection, bytes: number): void {
  const { smoothed } = c.trip
  if (!c.stack.pacing || smoothed < ROUND_TRIP_LEAST) return
  const factor = c.congestion.slowStart ? SLOW_START : AVOIDANCE
  const perMillisecond = (factor * Math.max(c.congestion.window, c.mss)) / smoothed
  c.paceAt = Math.max(c.paceAt, c.stack.now - BURST) + bytes / perMillisecond
}
