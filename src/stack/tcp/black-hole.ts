/**
 * Paths that swallow large segments without a word (RFC 4821, RFC 8899): when the first segment is lost
 * time-out after time-out it is cut smaller, step by step; what then gets through is remembered for the
 * path, and after a while the full size is tried again.
 */
import type { Connection } from './connection.js'
import { setSegmentSize } from './handshake.js'
import { PATH_PROBE_TIME } from './limits.js'

/** Packet sizes to fall back to: IPv6's least MTU, and what common links behind tunnels have. */
const STEPS: readonly number[] = [1280, 1006, 576]
const IPV6_LEAST = 1280
/** Time-outs in a row before a size is suspected that has never got through on this connection, and one that has. */
const TIMEOUTS_NEW = 2
const TIMEOUTS_PROVEN = 4

/** A retransmission has timed out, the `c.trip.backoff`th in a row. */
export function suspectBlackHole(c: Connection): void {
  const { sent, trip } = c
  const size = sent.length(sent.first)
  if (trip.backoff < (size > c.sizeDelivered ? TIMEOUTS_NEW : TIMEOUTS_PROVEN)) return
  const least = c.remoteIp.length === 4 ? 0 : IPV6_LEAST
  for (const step of STEPS) {
    if (step < least) return
    c.holeMtu = step
    setSegmentSize(c)
    if (c.mss >= size) continue
    c.holeSuspected = true
    c.holeProven = size <= c.sizeDelivered
    sent.split(c.mss)
    return
  }
}

/** Something got through at last. */
export function blackHoleConfirmed(c: Connection): void {
  const { stack } = c
  c.holeSuspected = false
  c.holeUntil = stack.now + PATH_PROBE_TIME
  // Where the size once worked it may have been an outage: then the others are not to pay for it.
  if (!c.holeProven) stack.ip.shrinkPath(c.remoteIp, c.holeMtu, stack.now)
}

/** Tries the full size again. */
export function probePath(c: Connection): void {
  c.holeUntil = Number.POSITIVE_INFINITY
  c.holeMtu = Number.POSITIVE_INFINITY
  c.sizeDelivered = 0
  setSegmentSize(c)
}
