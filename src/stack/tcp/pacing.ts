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
/** The same where segments have waited for a turn that came later than it was due: what a timer's coarseness or a busy machine may take from the rate. */
const CATCH_UP = 5

/** May a new segment leave now? If not, `paceWaits` is set. */
export function paceAllows(c: Connection): boolean {
  c.paceWaits = c.paceAt > c.stack.now
  if (c.paceWaits) c.paceBehind = true
  return !c.paceWaits
}

/** Nothing more is to be sent for another reason than the pace: time that passes now is not owed. */
export function paceRests(c: Connection): void {
  if (!c.paceWaits) c.paceBehind = false
}

/** A segment has left, for the first time or again. */
export function paceSent(c: Connection, bytes: number): void {
  const { smoothed } = c.trip
  if (!c.stack.pacing || smoothed < PACED_ROUND_TRIP) return
  const from = c.stack.now - (c.paceBehind ? CATCH_UP : BURST)
  c.paceAt = Math.max(c.paceAt, from) + bytes / c.congestion.rate(smoothed, c.mss)
}
