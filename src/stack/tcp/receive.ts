/** Data and FIN of an acceptable segment; when to acknowledge; how large the receive window is. */
import { TCP_FIN } from '../../wire/tcp.js'
import { type Connection, READABLE } from './connection.js'
import { RECEIVE_BUFFER, RECEIVE_SHARE } from './limits.js'
import { OutOfOrder } from './out-of-order.js'
import type { Segment } from './segment.js'
import { before, sequenceAdd, sequenceDistance } from './sequence.js'

/** Delayed ACK in milliseconds (RFC 9293 section 3.8.6.3: less than 500). */
const DELAYED_ACK = 40
/** ACKs for data out of order that are sent singly to a peer without SACK, per turn. */
const DUPLICATE_ACKS = 16
/** Rounding of windows may let the far side send this much beyond the buffer, in bytes. */
const ROUNDING_SLACK = 65_536
/** Round trip assumed while none is measured, in milliseconds. */
const TRIP_UNKNOWN = 100

/** Takes the segment's data, which overlaps the window. */
export function takeData(c: Connection, s: Segment): void {
  if (c.finReceived) return
  let offset = sequenceDistance(c.received, s.sequence)
  let at = s.dataAt
  let length = s.dataLength
  if (length >= c.segmentSize) c.segmentSize = Math.min(length, 65_535)
  if (offset < 0) {
    if (-offset >= length) return
    // Its front we have: say so, and take the rest.
    duplicate(c, s.sequence, c.received)
    at -= offset
    length += offset
    offset = 0
  }
  const room = sequenceDistance(c.received, c.edge) - offset
  if (length > room) {
    length = room
    s.flags &= ~TCP_FIN
  }
  if (c.finSeen) length = Math.min(length, sequenceDistance(c.received, c.finSequence) - offset)
  if (length <= 0) {
    acknowledgeNow(c)
    return
  }
  if (!affordable(c, c.incoming.missing(offset, length))) {
    c.stack.counters.drops.memory++
    acknowledgeNow(c)
    return
  }
  c.stack.receives(c, length)
  if (offset === 0) inOrder(c, s, at, length)
  else outOfOrder(c, s, offset, at, length)
}

function inOrder(c: Connection, s: Segment, at: number, length: number): void {
  c.incoming.place(0, s.bytes, at, length)
  const end = sequenceAdd(c.received, length)
  const gaps = c.outOfOrder
  if (gaps === undefined || gaps.empty) {
    c.incoming.advance(length)
    c.received = end
    c.unacknowledged += length
    if (c.quickAcks > 0) {
      c.quickAcks--
      acknowledgeNow(c)
    } else if (c.unacknowledged >= 2 * c.segmentSize) acknowledgeNow(c)
    else if (c.acknowledgeAt === Number.POSITIVE_INFINITY) {
      c.acknowledgeAt = c.stack.now + DELAYED_ACK
    }
  } else {
    const joined = gaps.merge(end)
    c.incoming.advance(sequenceDistance(c.received, joined))
    c.received = joined
    acknowledgeNow(c)
  }
  c.tell(READABLE)
  if (c.finSeen && c.received === c.finSequence) finInOrder(c)
}

function outOfOrder(c: Connection, s: Segment, offset: number, at: number, length: number): void {
  c.outOfOrder ??= new OutOfOrder()
  const left = sequenceAdd(c.received, offset)
  const right = sequenceAdd(left, length)
  if (c.sackUsed) acknowledgeNow(c)
  else if (c.acksWanted < DUPLICATE_ACKS) c.acksWanted++
  if (c.outOfOrder.contains(left, right)) {
    duplicate(c, left, right)
    return
  }
  if (!c.outOfOrder.add(left, right)) {
    c.stack.counters.drops.gaps++
    return
  }
  c.incoming.place(offset, s.bytes, at, length)
}

function duplicate(c: Connection, left: number, right: number): void {
  if (c.sackUsed) {
    c.duplicateSeen = true
    c.duplicateLeft = left
    c.duplicateRight = right
  }
  acknowledgeNow(c)
}

/** An ACK goes out with this turn's output. */
export function acknowledgeNow(c: Connection): void {
  if (c.acksWanted === 0) c.acksWanted = 1
}

/** Takes the segment's FIN (its data was taken before). */
export function takeFin(c: Connection, s: Segment): void {
  if ((s.flags & TCP_FIN) === 0 || c.finReceived || c.state === 'CLOSED') return
  const sequence = sequenceAdd(s.sequence, s.dataLength)
  if (before(sequence, c.received)) return
  if (c.finSeen && sequence !== c.finSequence) return
  const gaps = c.outOfOrder
  // A FIN in front of data that has arrived already is a lie.
  if (gaps !== undefined && !gaps.empty && before(sequence, gaps.end)) return
  c.finSeen = true
  c.finSequence = sequence
  acknowledgeNow(c)
  if (sequence === c.received) finInOrder(c)
}

function finInOrder(c: Connection): void {
  c.received = sequenceAdd(c.received, 1)
  c.finReceived = true
  c.outOfOrder = undefined
  acknowledgeNow(c)
  c.move('fin-received')
  c.tell(READABLE)
  if (c.state === 'TIME-WAIT') c.finish(true)
}

/** Is there memory for `more` bytes than the connection holds? What closes a gap needs none. */
function affordable(c: Connection, more: number): boolean {
  const { receiveMemory } = c.stack
  if (more === 0 || !receiveMemory.pressed) return true
  return more <= receiveMemory.left && c.incoming.held + more <= share(c)
}

/** What each connection may hold while memory is short. */
function share(c: Connection): number {
  return c.stack.receiveMemory.share(RECEIVE_SHARE, c.stack.counters.open)
}

/** Bytes that may be buffered for this connection now. */
function limit(c: Connection): number {
  const { receiveMemory, pressure } = c.stack
  const most = Math.min(pressure.cap, c.receiveLimit)
  return receiveMemory.pressed ? Math.min(share(c), most) : most
}

/** The window to put into a segment, not yet scaled; moves `edge` (never back: RFC 9293 section 3.8.6.2.2, RFC 7323 section 2.4). */
export function advertise(c: Connection): number {
  const most = limit(c)
  const current = Math.max(0, sequenceDistance(c.received, c.edge))
  let window = Math.max(0, most - c.incoming.ready)
  // Receiver's silly-window avoidance: the edge moves by a segment or half the buffer at least.
  if (window - current < Math.min(most / 2, c.segmentSize)) window = current
  const unit = 1 << c.receiveShift
  let field = Math.min(65_535, Math.floor(window / unit))
  if (field * unit < current) {
    const up = Math.min(65_535, Math.ceil(current / unit))
    if (c.incoming.ready + up * unit <= c.receiveLimit + ROUNDING_SLACK) field = up
  }
  const edge = sequenceAdd(c.received, field * unit)
  if (before(c.edge, edge)) c.edge = edge
  return field
}

/** Has the user read so much that the far side should hear of the larger window without waiting for data? */
export function windowUpdateDue(c: Connection): boolean {
  if (c.finReceived) return false
  const current = Math.max(0, sequenceDistance(c.received, c.edge))
  const most = limit(c)
  const window = most - c.incoming.ready
  const gain = window - current
  return gain >= 2 * c.segmentSize && (window >= 2 * current || gain * 2 >= most)
}

/**
 * Lets the receive buffer follow the path: room for four times what was read in the last round trip, as
 * a sender in slow start doubles its window per round trip. What waits behind a gap counts as read: a
 * path that loses would keep the buffer small else, and be held up by each gap for longer; but not for
 * a program that leaves what it has unread.
 */
export function growReceiveBuffer(c: Connection): void {
  const unread = 2 * c.incoming.ready > c.receiveLimit
  const bytes = c.readBytes + (unread ? 0 : (c.outOfOrder?.bytes ?? 0))
  if (bytes === 0) return
  const elapsed = c.stack.now - c.measureFrom
  if (elapsed < (c.trip.smoothed === 0 ? TRIP_UNKNOWN : c.trip.smoothed)) return
  if (bytes > c.readMost) {
    c.readMost = bytes
    c.receiveLimit = Math.max(c.receiveLimit, Math.min(RECEIVE_BUFFER, 4 * bytes))
  }
  c.readBytes = 0
  c.measureFrom = c.stack.now
}

/** Is there anything beyond what was read in order? */
export function hasGaps(c: Connection): boolean {
  return c.outOfOrder !== undefined && !c.outOfOrder.empty
}
