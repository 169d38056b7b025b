/** What an acceptable ACK does: frees what was delivered, finds losses, sets the congestion window (RFC 9293 section 3.10.7.4, 2018, 8985, 6937, 9438). */
import { blackHoleConfirmed } from './black-hole.js'
import type { Connection } from './connection.js'
import { chooseCongestionControl } from './handshake.js'
import { FAST, OPEN, TIMED_OUT } from './recovery.js'
import type { Segment } from './segment.js'
import { NONE, RETRANSMITTED, SACKED } from './sent-segments.js'
import { atOrBefore, before, earliest, latest, sequenceAdd, sequenceDistance } from './sequence.js'
import { timestampNow } from './timestamps.js'

/** Duplicate ACKs that mean a loss to a peer without SACK (RFC 5681 section 3.2). */
const DUPLICATE_THRESHOLD = 3
/** Timestamps count milliseconds: they may be off by this many microseconds. */
const TIMESTAMP_SLACK = 1000

/** RFC 5682 section 3.1 step 2b. */
const NEW_SEGMENTS = 2

/** What one ACK has shown; one record, reused. */
export class Delivery {
  /** Bytes believed to be in the network before it. */
  inFlight = 0
  /** Bytes newly delivered, cumulatively or by SACK. */
  bytes = 0
  /** Round trips in microseconds of the first and the last segment delivered that was sent once; -1: none. */
  firstTrip = -1
  lastTrip = -1
  /** Where the last of these ends. */
  lastEnd = 0
  /** Age of the timestamp echoed, in microseconds; -1: none. */
  echo = -1
  /** Among what was newly delivered are segments that were sent once, before the last time-out; and ones that were sent again. */
  original = false
  again = false
  /** A block that reports a duplicate (RFC 2883). */
  duplicate = false
  duplicateLeft = 0
  duplicateRight = 0

  clear(): void {
    this.bytes = 0
    this.firstTrip = -1
    this.lastTrip = -1
    this.echo = -1
    this.original = false
    this.again = false
    this.duplicate = false
  }
}

/** Takes in the ACK of a segment that is in the window. False: it acknowledges what can't be, so drop the segment and answer (RFC 5961 section 5). */
export function acknowledge(c: Connection, s: Segment, d: Delivery): boolean {
  const ack = s.acknowledgment
  if (before(c.next, ack) || before(ack, sequenceAdd(c.una, -Math.max(c.sendWindowMost, 65_535)))) {
    return false
  }
  const newly = sequenceDistance(c.una, ack)
  if (newly < 0) return true
  const windowSame = !updateWindow(c, s, newly)
  d.clear()
  // Not counted afterwards: what was marked lost was not in flight, though it may be delivered.
  d.inFlight = c.pipe
  if (c.sent.count === 0) {
    // That a whole flight was repeated in vain is known only behind it.
    if (c.recovery.undoable && c.sackUsed && s.options.sackCount > 0) {
      selective(c, s, d)
      detectUndo(c, d, 0)
    }
    return true
  }
  c.rate.begin()
  if (c.timestampsUsed && s.options.timestamps && s.options.timestampEcho !== 0) {
    const age = sequenceDistance(s.options.timestampEcho, timestampNow(c))
    if (age >= 0 && age < 1e6) d.echo = age * 1000
  }
  const lostBefore = c.sent.lostEver
  const sackedBefore = c.sent.sackedBytes
  if (newly > 0) cumulative(c, ack, d)
  if (c.sackUsed) {
    if (s.options.sackCount > 0) selective(c, s, d)
  } else countDuplicates(c, s, newly, windowSame, d)
  sampleTrip(c, d, newly)
  const undone = detectUndo(c, d, newly)
  if (d.duplicate) c.rack.duplicate(c.una, c.next)
  tailProbeAnswered(c, s, d, newly)
  detectLosses(c)
  const least = c.trip.minimum
  c.rate.finish(least === Number.POSITIVE_INFINITY ? 0 : least * 1000)
  const lost = sequenceDistance(lostBefore, c.sent.lostEver)
  if (!undone) repair(c, d, sackedBefore)
  c.congestion.acknowledged(c, d, newly, lost)
  if (c.limited && !before(c.una, c.limitedUntil)) c.limited = false
  return true
}

/**
 * RFC 9293 section 3.10.7.4: the window of the newest segment counts. One that acknowledges more is the
 * newest though its sequence number is lower (a retransmission): the old window behind the new
 * acknowledgment would reach farther than the far side ever said. True: it changed.
 */
function updateWindow(c: Connection, s: Segment, newly: number): boolean {
  const stale =
    newly === 0 &&
    (before(s.sequence, c.windowSequence) ||
      (s.sequence === c.windowSequence && before(s.acknowledgment, c.windowAcknowledgment)))
  if (stale) return false
  const window = s.window << c.sendShift
  const changed = window !== c.sendWindow
  c.sendWindow = window
  c.windowSequence = s.sequence
  c.windowAcknowledgment = s.acknowledgment
  if (window > c.sendWindowMost) c.sendWindowMost = window
  if (c.sent.count === 0) {
    // The far side lives: its window may stay shut as long as it likes (RFC 9293 section 3.8.6.1).
    c.progressAt = c.stack.now
    if (changed && window > 0) c.trip.backoff = 0
  }
  return changed
}

function cumulative(c: Connection, ack: number, d: Delivery): void {
  const { sent, stack } = c
  while (sent.count > 0 && atOrBefore(sent.end(sent.first), ack)) {
    delivered(c, sent.first, d, false)
    sent.shift()
  }
  if (sent.count > 0 && before(sent.sequence(sent.first), ack)) {
    if ((sent.flags(sent.first) & SACKED) === 0) {
      const length = sequenceDistance(sent.sequence(sent.first), ack)
      d.bytes += length
      c.rate.segment(sent, sent.first, length, stack.micros)
    }
    sent.trim(ack)
  }
  c.una = ack
  c.acknowledged(earliest(ack, c.unsent.end))
  c.timeoutFrom = stack.now
  c.progressAt = stack.now
  c.trip.backoff = 0
  if (c.holeSuspected) blackHoleConfirmed(c)
}

/** A segment has arrived there. */
function delivered(c: Connection, n: number, d: Delivery, selectively: boolean): void {
  const { sent, stack } = c
  const flags = sent.flags(n)
  const again = (flags & RETRANSMITTED) !== 0
  if ((flags & SACKED) !== 0) return
  const length = sent.length(n)
  d.bytes += length
  if (length > c.sizeDelivered) c.sizeDelivered = length
  c.rate.segment(sent, n, length, stack.micros)
  const sentAt = sent.time(n)
  if (again) d.again = true
  else {
    const trip = sequenceDistance(sentAt, stack.micros)
    if (d.firstTrip < 0 && !selectively) d.firstTrip = trip
    d.lastTrip = trip
    d.lastEnd = sent.end(n)
    if (!before(c.recovery.until, d.lastEnd)) d.original = true
  }
  const least = c.trip.minimum
  c.rack.delivered(sentAt, sent.end(n), again, stack.micros, d.echo, least * 1000)
}

function selective(c: Connection, s: Segment, d: Delivery): void {
  const { sack, sackCount } = s.options
  let from = 0
  const left0 = sack[0] as number
  const right0 = sack[1] as number
  if (
    before(left0, c.una) ||
    (sackCount > 1 && atOrBefore(sack[2] as number, left0) && atOrBefore(right0, sack[3] as number))
  ) {
    from = 1
    const length = sequenceDistance(left0, right0)
    if (length > 0 && length <= 65_535 && atOrBefore(right0, c.next)) {
      d.duplicate = true
      d.duplicateLeft = left0
      d.duplicateRight = right0
    }
  }
  // Lowest first: a lower one behind a higher one would look like reordering.
  for (let i = from; i < sackCount; i++) {
    lowestFirst(sack, i, sackCount)
    const left = sack[2 * i] as number
    const right = sack[2 * i + 1] as number
    if (before(left, right) && before(c.una, right) && atOrBefore(right, c.next)) {
      markRange(c, latest(left, c.una), right, d)
    }
  }
}

/** Moves the lowest block of `from` … `count`-1 to `from`. */
function lowestFirst(blocks: Int32Array, from: number, count: number): void {
  for (let i = from + 1; i < count; i++) {
    const left = blocks[2 * i] as number
    if (!before(left, blocks[2 * from] as number)) continue
    const right = blocks[2 * i + 1] as number
    blocks[2 * i] = blocks[2 * from] as number
    blocks[2 * i + 1] = blocks[2 * from + 1] as number
    blocks[2 * from] = left
    blocks[2 * from + 1] = right
  }
}

function markRange(c: Connection, left: number, right: number, d: Delivery): void {
  const { sent } = c
  let n = sent.find(left)
  if (n === NONE) return
  // A segment that the block covers only in part stays unmarked.
  if (before(sent.sequence(n), left)) n = sent.next(n)
  while (sent.holds(n) && atOrBefore(sent.dataEnd(n), right)) {
    if ((sent.flags(n) & SACKED) === 0) {
      delivered(c, n, d, true)
      sent.markSacked(n)
    }
    n = sent.next(n)
  }
}

/** RFC 6582, for peers without SACK: a duplicate ACK stands for one segment delivered out of order. */
function countDuplicates(
  c: Connection,
  s: Segment,
  newly: number,
  windowSame: boolean,
  d: Delivery,
): void {
  const { recovery, sent } = c
  if (newly > 0) {
    const segments = Math.max(1, Math.round(newly / c.mss))
    recovery.duplicates = Math.max(0, recovery.duplicates - segments + 1)
    if (!before(c.una, recovery.until) || recovery.phase !== FAST) recovery.duplicates = 0
    // A partial ACK: the next hole is lost too.
    else if (sent.count > 0) sent.markLost(sent.first)
  } else if (windowSame && s.length === 0) {
    if (recovery.duplicates < sent.count) {
      recovery.duplicates++
      d.bytes += c.mss
    }
    if (recovery.duplicates >= DUPLICATE_THRESHOLD && recovery.phase === OPEN) {
      sent.markLost(sent.first)
    }
  }
}

function sampleTrip(c: Connection, d: Delivery, newly: number): void {
  const { trip, stack } = c
  const micros = d.firstTrip >= 0 ? d.firstTrip : newly > 0 ? d.echo : -1
  if (micros >= 0) {
    const first = trip.smoothed === 0
    trip.sample(micros / 1000)
    stack.counters.roundTrips.observe(micros / 1000)
    // The handshake did not tell.
    if (first && c.recovery.phase === OPEN) chooseCongestionControl(c)
  }
  if (d.lastTrip >= 0) trip.sampleMinimum(d.lastTrip / 1000, stack.now)
}

/**
 * Was the last reduction a false alarm? It was when everything sent again since has turned out needless
 * (DSACK, RFC 3708); a time-out also when what it took for lost arrives by itself.
 */
function detectUndo(c: Connection, d: Delivery, newly: number): boolean {
  const { recovery } = c
  if (!recovery.undoable) return false
  const late = recovery.phase === TIMED_OUT && timedOutFalsely(c, d, newly)
  if (!late && !allNeedless(c, d)) return false
  // Not the retransmissions were delivered: what is older than they is not lost.
  if (late && d.lastTrip >= 0) {
    c.rack.restart((c.stack.micros - d.lastTrip) | 0, d.lastEnd, d.lastTrip)
  }
  recovery.undoable = false
  // What looked lost was late: from now on RACK waits for late segments.
  c.rack.reorderingSeen = true
  recovery.leave()
  recovery.duplicates = 0
  c.congestion.undo(c)
  c.sent.unmarkLost()
  return true
}

function allNeedless(c: Connection, d: Delivery): boolean {
  const { recovery } = c
  if (!d.duplicate || recovery.undoBytes === 0) return false
  recovery.undoBytes -= sequenceDistance(d.duplicateLeft, d.duplicateRight)
  return recovery.undoBytes <= 0
}

/** By timestamp, where the ACK answers what was sent before anything was sent again (Eifel, RFC 3522), else by F-RTO (RFC 5682 section 3). */
function timedOutFalsely(c: Connection, d: Delivery, newly: number): boolean {
  const { recovery, stack } = c
  if (newly > 0 && recovery.resent && d.echo >= 0) {
    const since = sequenceDistance(recovery.resentAt, stack.micros)
    if (d.echo > since + TIMESTAMP_SLACK) return true
  }
  if (!recovery.doubtful) return false
  // Step 3b: something arrived that was sent once. Without SACK it may have been there for long.
  if (d.original && (c.sackUsed || !d.again)) return true
  askNewSegments(c, newly)
  return false
}

/** Steps 2b and 3a: new segments instead of retransmissions show whether the old ones still arrive. */
function askNewSegments(c: Connection, newly: number): void {
  const { recovery, next } = c
  if (before(recovery.until, next)) {
    if (newly === 0) recovery.trust()
  } else if (newly > 0) {
    const more = c.unsent.end !== next && before(next, sequenceAdd(c.una, c.sendWindow))
    if (more && before(c.una, recovery.until)) recovery.newSegments = NEW_SEGMENTS
    else recovery.trust()
  }
}

/** RFC 8985 section 7.4. */
function tailProbeAnswered(c: Connection, s: Segment, d: Delivery, newly: number): void {
  const { rack } = c
  if (!rack.probing || before(c.una, rack.probeEnd)) return
  if (!rack.probeRetransmitted || (d.duplicate && d.duplicateRight === rack.probeEnd)) {
    rack.probing = false
  } else if (before(rack.probeEnd, c.una)) {
    rack.probing = false
    // The probe itself repaired a loss that nothing else showed.
    if (c.recovery.phase === OPEN) c.congestion.tailRepaired(c.mss)
  } else if (newly === 0 && s.options.sackCount === 0) rack.probing = false
}

/** Marks what RACK finds lost, and says when to look again (RFC 8985 section 6.2 step 5). */
export function detectLosses(c: Connection): void {
  const { rack, sent, stack } = c
  c.reorderAt = Number.POSITIVE_INFINITY
  if (!rack.valid || !c.sackUsed) return
  const least = c.trip.minimum
  const window = rack.window(
    c.recovery.phase !== OPEN,
    sent.sackedCount,
    (least === Number.POSITIVE_INFINITY ? c.trip.smoothed : least) * 1000,
    c.trip.smoothed * 1000,
  )
  let n = sent.oldest
  while (n !== NONE) {
    const left = rack.remaining(sent.time(n), sent.end(n), stack.micros, window)
    if (left > 0) {
      // Whole microseconds, as the clock that is compared with counts: else the deadline could stand still at the present.
      if (left !== Number.POSITIVE_INFINITY) c.reorderAt = stack.now + Math.ceil(left) / 1000
      return
    }
    const later = sent.later(n)
    sent.markLost(n)
    n = later
  }
}

/** Recovery ends, or begins. */
function repair(c: Connection, d: Delivery, sackedBefore: number): void {
  const { recovery, congestion, sent } = c
  if (recovery.phase !== OPEN && !before(c.una, recovery.until)) {
    congestion.lossEnds(c)
    recovery.leave()
    recovery.duplicates = 0
    c.rack.recovered()
  }
  if (recovery.phase === OPEN && sent.lostBytes > 0) {
    const flight = sequenceDistance(c.una, c.next) - Math.min(sackedBefore, sent.sackedBytes)
    congestion.lossBegins(c, flight + d.bytes)
    recovery.enter(FAST, c.next, flight + d.bytes)
  }
}

/** Is anything marked lost or SACKed? */
export function inOrder(c: Connection): boolean {
  return c.sent.sackedBytes === 0 && c.sent.lostBytes === 0
}
