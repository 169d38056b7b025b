/** The timestamp option's clock (RFC 7323 section 5.4): milliseconds, with an offset of each connection's own. */
import type { Connection } from './connection.js'
import type { Segment } from './segment.js'
import { before } from './sequence.js'

/** A peer silent for longer than this may have wrapped its clock: its next timestamp counts (RFC 7323 section 5.5). */
const TIMESTAMP_LIFETIME = 24 * 86_400_000

export function timestampNow(c: Connection): number {
  return (Math.floor(c.stack.now) + c.timestampOffset) | 0
}

/** PAWS (RFC 7323 section 5.3): is the segment older than what we have seen? */
export function outdated(c: Connection, s: Segment): boolean {
  return (
    before(s.options.timestampValue, c.timestampRecent) &&
    c.stack.now - c.timestampRecentAt < TIMESTAMP_LIFETIME
  )
}

/** Keeps the timestamp to echo (RFC 7323 section 4.3): of the segment that touches the last ACK we sent. */
export function rememberTimestamp(c: Connection, s: Segment): void {
  if (before(c.lastAckSent, s.sequence)) return
  if (before(s.options.timestampValue, c.timestampRecent) && !outdatedForLong(c)) return
  c.timestampRecent = s.options.timestampValue
  c.timestampRecentAt = c.stack.now
}

function outdatedForLong(c: Connection): boolean {
  return c.stack.now - c.timestampRecentAt >= TIMESTAMP_LIFETIME
}
