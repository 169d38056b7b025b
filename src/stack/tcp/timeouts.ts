/** A connection's deadlines: retransmission (RFC 6298), tail loss probe and reordering (RFC 8985), persist, delayed ACK, keep-alive. */
import type { Millis } from '../../core/types.js'
import { detectLosses } from './acknowledge.js'
import { suspectBlackHole } from './black-hole.js'
import {
  type Connection,
  TIMER_NONE,
  TIMER_PERSIST,
  TIMER_REORDERING,
  TIMER_RETRANSMISSION,
  TIMER_TAIL_PROBE,
} from './connection.js'
import { RETRANSMISSION_TIME, SYN_ACK_RETRIES, SYN_RETRIES } from './limits.js'
import { acknowledgeNow } from './receive.js'
import { FAST, OPEN, TIMED_OUT } from './recovery.js'
import { RTO_INITIAL } from './round-trip.js'
import { SACKED } from './sent-segments.js'
import { sequenceDistance } from './sequence.js'
import { timestampNow } from './timestamps.js'

const NEVER = Number.POSITIVE_INFINITY
/** How long a far side may delay the ACK of a lone segment, in milliseconds (RFC 8985 section 7.2). */
const PEER_ACK_DELAY = 200
const TAIL_PROBE_UNKNOWN = 1000
/** RFC 9293 section 3.8.4: at least two hours. */
const KEEP_ALIVE_IDLE = 7_200_000
const KEEP_ALIVE_INTERVAL = 75_000
const KEEP_ALIVE_PROBES = 9
/** Longest time between window probes: a shut window that answers them is never given up, so several must fit into RETRANSMISSION_TIME. */
const PERSIST_MOST = 30_000

/** When the connection next wants `fire`. */
export function deadlineOf(c: Connection): Millis {
  return Math.min(c.timerAt, c.acknowledgeAt, keepAliveAt(c), c.paceWaits ? c.paceAt : NEVER)
}

function keepAliveAt(c: Connection): Millis {
  switch (c.state) {
    case 'ESTABLISHED':
    case 'CLOSE-WAIT':
    case 'FIN-WAIT-2':
      if (c.timer !== TIMER_NONE) return NEVER
      return c.keepAlives === 0 ? c.lastReceived + KEEP_ALIVE_IDLE : c.keepAliveAt
    default:
      return NEVER
  }
}

/** Sets the timer to what the connection waits for now, and files its deadline. */
export function rearm(c: Connection): void {
  c.timer = TIMER_NONE
  c.timerAt = NEVER
  switch (c.state) {
    case 'CLOSED':
    case 'TIME-WAIT':
      return
    case 'SYN-SENT':
    case 'SYN-RECEIVED':
      c.timer = TIMER_RETRANSMISSION
      c.timerAt = c.timeoutFrom + (synWaitsShort(c) ? c.synTimeout : c.trip.timeout)
      break
    default:
      if (c.sent.count > 0) armFlight(c)
      else if (c.unsent.size > 0 || (c.finQueued && !c.finSent)) armPersist(c)
      else c.probes = 0
  }
  c.stack.wantTick(c, deadlineOf(c))
}

function armFlight(c: Connection): void {
  c.timer = TIMER_RETRANSMISSION
  c.timerAt = Math.min(c.timeoutFrom + interval(c), givenUpAt(c))
  if (c.reorderAt < c.timerAt) {
    c.timer = TIMER_REORDERING
    c.timerAt = c.reorderAt
    return
  }
  if (probeAllowed(c)) {
    // In place of the time-out, when that would come first: the probe is the gentler of the two.
    const at = Math.max(c.lastSent, c.timeoutFrom) + probeTimeout(c)
    c.timer = TIMER_TAIL_PROBE
    c.timerAt = Math.min(at, c.timerAt)
  }
}

/** Between tries, retransmissions into a shut window included. */
function interval(c: Connection): Millis {
  return c.sendWindow === 0 ? Math.min(c.trip.timeout, PERSIST_MOST) : c.trip.timeout
}

/** When a connection through which nothing gets is given up. A far side that answers may keep its window shut as long as it likes (RFC 9293 section 3.8.6.1), even over what is in flight. */
function givenUpAt(c: Connection): Millis {
  const shut = c.sent.count === 0 || c.sendWindow === 0
  return (shut ? Math.max(c.progressAt, c.lastReceived) : c.progressAt) + RETRANSMISSION_TIME
}

/**
 * RFC 8985 section 7.2 probes only outside of recovery. We do so in fast recovery too: receivers that
 * compress their SACKs may answer a whole flight with one ACK, and its loss would cost a time-out.
 */
function probeAllowed(c: Connection): boolean {
  if (!c.sackUsed || c.rack.probing) return false
  return c.recovery.phase === FAST || (c.recovery.phase === OPEN && c.sent.sackedBytes === 0)
}

/** RFC 8985 section 7.2. */
function probeTimeout(c: Connection): Millis {
  const { smoothed } = c.trip
  if (smoothed === 0) return TAIL_PROBE_UNKNOWN
  return 2 * smoothed + (c.sent.count === 1 ? PEER_ACK_DELAY : 2)
}

/** There is data, nothing is in flight and the window does not let it go. */
function armPersist(c: Connection): void {
  if (c.probes === 0) {
    c.probes = 1
    c.timeoutFrom = c.stack.now
  }
  c.timer = TIMER_PERSIST
  c.timerAt = Math.min(c.timeoutFrom + interval(c), givenUpAt(c))
}

/** A deadline has passed. */
export function fire(c: Connection): void {
  const { now } = c.stack
  if (c.paceWaits && c.paceAt <= now) {
    c.paceWaits = false
    c.stack.wantOutput(c)
  }
  if (c.acknowledgeAt <= now) {
    c.acknowledgeAt = NEVER
    acknowledgeNow(c)
    c.stack.wantOutput(c)
  }
  if (keepAliveAt(c) <= now) {
    if (c.keepAlives >= KEEP_ALIVE_PROBES) {
      c.timedOut()
      return
    }
    c.keepAlives++
    c.keepAliveAt = now + KEEP_ALIVE_INTERVAL
    poke(c)
  }
  if (c.timerAt > now) return
  c.timerAt = NEVER
  c.stack.wantOutput(c)
  switch (c.timer) {
    case TIMER_RETRANSMISSION:
      if (c.state === 'SYN-SENT' || c.state === 'SYN-RECEIVED') synchronizeTimeout(c)
      else retransmissionTimeout(c)
      return
    case TIMER_TAIL_PROBE:
      c.tailProbeWanted = true
      return
    case TIMER_REORDERING:
      reorderingTimeout(c)
      return
    case TIMER_PERSIST:
      persistTimeout(c)
      return
    default:
  }
}

function poke(c: Connection): void {
  c.pokeWanted = true
  c.stack.wantOutput(c)
}

/** Is this the first SYN, on a path whose round trip is known? */
function synWaitsShort(c: Connection): boolean {
  return c.synTimeout < RTO_INITIAL && !c.synEarly && c.synRetries === 0
}

function synchronizeTimeout(c: Connection): void {
  if (synWaitsShort(c)) {
    // One SYN more than usual, never a flood: from here on it is 1, 2, 4 … s.
    c.synEarly = true
    c.synEarlyStamp = timestampNow(c)
    c.stack.counters.retransmits++
    c.synWanted = true
    return
  }
  c.stack.counters.timeouts++
  c.synRetries++
  if (c.acceptor !== undefined) {
    if (c.synRetries > SYN_ACK_RETRIES) {
      c.abandon()
      return
    }
  } else if (c.synRetries > SYN_RETRIES) {
    c.timedOut()
    return
  }
  c.stack.counters.retransmits++
  c.trip.backoff++
  c.synWanted = true
}

/** RFC 6298 section 5.4 to 5.7; RFC 8985 section 6.3 says what counts as lost. */
function retransmissionTimeout(c: Connection): void {
  const { stack, sent, recovery, congestion, trip, rack } = c
  stack.counters.timeouts++
  if (stack.now >= givenUpAt(c)) {
    c.timedOut()
    return
  }
  trip.backoff++
  c.timeoutFrom = stack.now
  suspectBlackHole(c)
  // The far side may have dropped what it SACKed: it must have the first by now (RFC 2018 section 8).
  if ((sent.flags(sent.first) & SACKED) !== 0) sent.forgetSacked()
  congestion.timedOut(c)
  recovery.enter(TIMED_OUT, c.next, 0)
  recovery.duplicates = 0
  rack.probing = false
  for (let i = 0, n = sent.first; i < sent.count; i++, n = sent.next(n)) {
    const flying = sequenceDistance(sent.time(n), stack.micros)
    if (i === 0 || !rack.valid || flying >= rack.trip) sent.markLost(n)
  }
}

function reorderingTimeout(c: Connection): void {
  const { recovery, congestion, sent } = c
  const outstanding = sequenceDistance(c.una, c.next) - sent.sackedBytes
  detectLosses(c)
  if (recovery.phase === OPEN && sent.lostBytes > 0) {
    congestion.lossBegins(c, outstanding)
    recovery.enter(FAST, c.next, outstanding)
    congestion.lossesFound(c)
  }
}

function persistTimeout(c: Connection): void {
  const { stack, trip } = c
  if (stack.now >= givenUpAt(c)) {
    c.timedOut()
    return
  }
  c.probes++
  trip.backoff++
  c.timeoutFrom = stack.now
  if (c.sendWindow > 0) c.overrideWanted = true
  else c.pokeWanted = true
}
