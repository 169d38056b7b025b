/** Opening: active, passive and both at once (RFC 9293 sections 3.5 and 3.10.7.2 to .4), and what the SYNs agree on. */

import { PvpnError } from '../../core/errors.js'
import { formatIp } from '../../core/ip.js'
import type { Bytes } from '../../core/types.js'
import { IPV4_HEADER } from '../../wire/ipv4.js'
import { IPV6_HEADER } from '../../wire/ipv6.js'
import { TCP_ACK, TCP_HEADER, TCP_RST, TCP_SYN } from '../../wire/tcp.js'
import { type TcpOptions, TIMESTAMPS_LENGTH } from '../../wire/tcp-options.js'
import { Bbr } from './bbr.js'
import { ACCEPTED, CONNECTED, type Connection } from './connection.js'
import { SYN_QUICK_RETRIES } from './limits.js'
import { PACED_ROUND_TRIP } from './pacing.js'
import { acknowledgeNow } from './receive.js'
import type { Segment } from './segment.js'
import { before, sequenceAdd, sequenceDistance } from './sequence.js'
import { timestampNow } from './timestamps.js'

/** Assumed of a peer that names no MSS (RFC 9293 section 3.7.1). */
const MSS_DEFAULT_IPV4 = 536
const MSS_DEFAULT_IPV6 = 1220
/** A smaller MSS than this is a way to make us work, not a path. */
export const MSS_LEAST = 88
/** Lets the largest receive buffer (8 MiB) be told in 16 bits. */
export const RECEIVE_SHIFT = 8

/** Sets what both ways of opening share. `iss` is the initial sequence number. */
export function prepare(c: Connection, iss: number, timestampOffset: number): void {
  c.iss = iss
  c.una = iss
  c.next = sequenceAdd(iss, 1)
  c.unsent.reset(c.next)
  c.timestampOffset = timestampOffset
  c.synWanted = true
  c.progressAt = c.stack.now
  c.timeoutFrom = c.stack.now
  c.lastReceived = c.stack.now
  c.measureFrom = c.stack.now
}

/** Packets of `mtu` bytes to this address less the headers without options. */
export function largestSegment(remote: Bytes, mtu: number): number {
  const headers = (remote.length === 4 ? IPV4_HEADER : IPV6_HEADER) + TCP_HEADER
  return Math.max(MSS_LEAST, mtu - headers)
}

/** Both directions' largest packet less the headers without options. */
export function segmentRoom(c: Connection): number {
  return largestSegment(c.remoteIp, Math.min(c.holeMtu, c.stack.ip.pathMtu(c.remoteIp)))
}

/** What a SYN from an address of so many bytes says of the segments that its sender takes. */
export function offeredMss({ mss }: TcpOptions, addressLength: number): number {
  const usual = addressLength === 4 ? MSS_DEFAULT_IPV4 : MSS_DEFAULT_IPV6
  return Math.max(MSS_LEAST, mss === 0 ? usual : mss)
}

/** Data that fits one segment, from the peer's MSS, the path and the options of each segment. */
export function setSegmentSize(c: Connection): void {
  const options = c.timestampsUsed ? TIMESTAMPS_LENGTH : 0
  c.mss = Math.min(c.peerMss, segmentRoom(c)) - options
}

/** Reads the far side's SYN. `offered`: our SYN has gone out with all options; else we answer with what it offers. */
export function readSynchronize(c: Connection, s: Segment): void {
  const { options } = s
  c.irs = s.sequence
  c.received = sequenceAdd(s.sequence, 1)
  c.edge = sequenceAdd(c.received, Math.min(65_535, c.receiveLimit))
  c.lastAckSent = c.received
  c.peerMss = offeredMss(options, c.remoteIp.length)
  c.sackUsed = options.sackPermitted
  c.timestampsUsed = options.timestamps
  if (options.timestamps) {
    c.timestampRecent = options.timestampValue
    c.timestampRecentAt = c.stack.now
  }
  if (options.windowScale >= 0) {
    c.sendShift = options.windowScale
    c.receiveShift = RECEIVE_SHIFT
  } else {
    c.sendShift = 0
    c.receiveShift = 0
    c.receiveLimit = Math.min(c.receiveLimit, 65_535)
  }
  // Windows in SYNs are never scaled (RFC 7323 section 2.2).
  c.sendWindow = s.window
  c.sendWindowMost = s.window
  c.windowSequence = s.sequence
  c.windowAcknowledgment = s.acknowledgment
  setSegmentSize(c)
  c.congestion.start(c.mss)
}

/** SYN-SENT (RFC 9293 section 3.10.7.3). */
export function synchronizeSent(c: Connection, s: Segment): void {
  const hasAck = (s.flags & TCP_ACK) !== 0
  if (hasAck && s.acknowledgment !== c.next) {
    if ((s.flags & TCP_RST) !== 0) return
    c.stack.reply(c.localIp, c.remoteIp, c.localPort, c.remotePort, s.acknowledgment, 0, TCP_RST)
    // The far side still holds an old connection (TIME-WAIT or half-open); our reset has ended it, so try again at once.
    if ((s.flags & TCP_SYN) === 0 && c.synQuickRetries < SYN_QUICK_RETRIES) {
      c.synQuickRetries++
      c.synWanted = true
      c.stack.wantOutput(c)
    }
    return
  }
  if ((s.flags & TCP_RST) !== 0) {
    if (!hasAck) return
    c.fail(
      new PvpnError(
        'ERR_REFUSED',
        `${formatIp(c.remoteIp)} refused the connection to port ${c.remotePort}`,
      ),
    )
    return
  }
  if ((s.flags & TCP_SYN) === 0) return
  readSynchronize(c, s)
  c.stack.wantOutput(c)
  if (!hasAck) {
    c.move('crossed')
    c.synWanted = true
    return
  }
  measureHandshake(c, s)
  c.una = s.acknowledgment
  c.synWanted = false
  acknowledgeNow(c)
  synchronized(c)
}

/** SYN-RECEIVED gets the SYN again. True: answered, nothing more to do. */
export function crossed(c: Connection, s: Segment): boolean {
  if ((s.flags & TCP_RST) !== 0) return false
  if (c.acceptor === undefined && (s.flags & TCP_ACK) !== 0 && s.acknowledgment === c.next) {
    s.flags &= ~TCP_SYN
    s.sequence = sequenceAdd(s.sequence, 1)
    return false
  }
  c.synWanted = true
  c.stack.wantOutput(c)
  return true
}

/** SYN-RECEIVED gets an ACK. False: it does not acknowledge our SYN. */
export function established(c: Connection, s: Segment): boolean {
  const ack = s.acknowledgment
  if (!before(c.una, ack) || before(c.next, ack)) {
    c.stack.counters.drops['bad-acknowledgment']++
    c.stack.reply(c.localIp, c.remoteIp, c.localPort, c.remotePort, ack, 0, TCP_RST)
    return false
  }
  measureHandshake(c, s)
  c.una = sequenceAdd(c.iss, 1)
  c.sendWindow = s.window << c.sendShift
  c.sendWindowMost = Math.max(c.sendWindowMost, c.sendWindow)
  c.windowSequence = s.sequence
  c.windowAcknowledgment = ack
  c.synWanted = false
  synchronized(c)
  return true
}

function synchronized(c: Connection): void {
  c.move('synchronized')
  c.progressAt = c.stack.now
  c.timeoutFrom = c.stack.now
  c.lastReceived = c.stack.now
  chooseCongestionControl(c)
  // A path that lost the SYN is not to be flooded (RFC 5681 section 3.1).
  if (c.synRetries > 0 || c.synEarly) c.congestion.window = c.mss
  c.tell(c.acceptor === undefined ? CONNECTED : ACCEPTED)
}

/** BBR paces: round trips that are too short for our timers stay with CUBIC, as does a path of which nothing is known yet. */
export function chooseCongestionControl(c: Connection): void {
  const { stack, trip, congestion } = c
  if (stack.congestion !== 'bbr' || !stack.pacing || trip.smoothed < PACED_ROUND_TRIP) return
  // The initial sequence number is random enough to tell flows apart.
  c.congestion = new Bbr(congestion.window, (c.iss >>> 0) / 2 ** 32)
}

function measureHandshake(c: Connection, s: Segment): void {
  const { trip, stack } = c
  // When its SYN-ACK left nobody knows: the first data tells the round trip.
  if (c.redeemed) return
  if (c.synRetries === 0 && c.synQuickRetries === 0 && !c.synEarly) {
    const rtt = stack.now - c.timeoutFrom
    trip.sample(rtt)
    stack.knownTrips.note(c.remoteIp, rtt, stack.now)
    stack.counters.roundTrips.observe(rtt)
    trip.sampleMinimum(rtt, stack.now)
    return
  }
  const age = c.timestampsUsed ? sequenceDistance(s.options.timestampEcho, timestampNow(c)) : -1
  if (age >= 0 && s.options.timestampEcho !== 0) {
    trip.sample(age)
    stack.knownTrips.note(c.remoteIp, age, stack.now)
    // The first SYN is answered after all: we were too early, nothing is lost.
    if (before(s.options.timestampEcho, c.synEarlyStamp)) c.synEarly = false
  } else trip.afterSynLoss()
  trip.backoff = 0
}
