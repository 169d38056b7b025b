/** What a connection sends now: SYN, ACKs, retransmissions, new data, FIN (RFC 9293 sections 3.8 and 3.10). */
import type { PacketBatch } from '../../core/packet-batch.js'
import { TCP_ACK, TCP_FIN, TCP_HEADER, TCP_PSH, TCP_SYN, writeTcp } from '../../wire/tcp.js'
import {
  sackLength,
  TIMESTAMPS_LENGTH,
  writeSack,
  writeSynchronizeOptions,
  writeTimestamps,
} from '../../wire/tcp-options.js'
import { probePath } from './black-hole.js'
import { type Connection, TIMER_PERSIST } from './connection.js'
import { RECEIVE_SHIFT, segmentRoom } from './handshake.js'
import { paceAllows, paceRests, paceSent } from './pacing.js'
import { commitSegment, ipHeaderLength } from './packet.js'
import { advertise, growReceiveBuffer, windowUpdateDue } from './receive.js'
import { OPEN } from './recovery.js'
import { FIN, NONE } from './sent-segments.js'
import { atOrBefore, before, sequenceAdd, sequenceDistance } from './sequence.js'
import { cookieStamp } from './syn-cookies.js'
import { rearm } from './timeouts.js'
import { timestampNow } from './timestamps.js'

/** Segments of one connection before the next has its turn. */
const QUANTUM = 16

/** Appends what the connection has to send. True: there is more (its turn is over, or the batch is full). */
export function emit(c: Connection, batch: PacketBatch, blocks: Int32Array): boolean {
  if (c.state === 'CLOSED') return false
  if (batch.full) return true
  if (c.state === 'SYN-SENT' || c.state === 'SYN-RECEIVED') {
    if (c.synWanted) synchronize(c, batch)
    else if (c.acksWanted > 0 && c.state === 'SYN-RECEIVED') sendAck(c, batch, 0, blocks)
    rearm(c)
    return false
  }
  growReceiveBuffer(c)
  if (!controls(c, batch, blocks)) return true
  let more = false
  noteLateness(c)
  if (c.holeUntil <= c.stack.now) probePath(c)
  if (c.state !== 'TIME-WAIT') more = stream(c, batch)
  if (!more) paceRests(c)
  if (!more && c.acksWanted === 0 && windowUpdateDue(c)) c.acksWanted = 1
  if (c.acksWanted > 0 && !more) {
    if (batch.full) return true
    sendAck(c, batch, c.next, blocks)
  }
  rearm(c)
  return more
}

/**
 * We were not run for a while, or the whole flight was acknowledged while there was more to send: what
 * is sent until the path is full again measures us and not the path.
 */
function noteLateness(c: Connection): void {
  const { late } = c.stack
  const drained = c.sent.count === 0 && c.lastSent > 0
  if (c.lateBefore === late && !drained) return
  c.lateBefore = late
  c.rate.applicationLimits(c.pipe)
}

/** ACKs that must not be merged with data, probes. False: the batch is full. */
function controls(c: Connection, batch: PacketBatch, blocks: Int32Array): boolean {
  const tell = c.acksWanted > 0 && (c.duplicateSeen || (c.outOfOrder?.empty ?? true) === false)
  if (tell || c.acksWanted > 1) {
    // More ranges may have changed than one ACK can tell of.
    for (let left = c.acksWanted; left > 0 || untold(c); left--) {
      if (batch.full) {
        c.acksWanted = Math.max(1, left)
        return false
      }
      sendAck(c, batch, c.next, blocks)
    }
  }
  if (c.pokeWanted) {
    if (batch.full) return false
    c.pokeWanted = false
    sendAck(c, batch, sequenceAdd(c.una, -1), blocks)
  }
  return true
}

function untold(c: Connection): boolean {
  return c.sackUsed && (c.outOfOrder?.untold ?? false)
}

/** Retransmissions and new data. True: there is more. */
function stream(c: Connection, batch: PacketBatch): boolean {
  const header = c.timestampsUsed ? TCP_HEADER + TIMESTAMPS_LENGTH : TCP_HEADER
  const most = Math.min(c.mss, batch.packetSize - ipHeaderLength(c.remoteIp) - header)
  if (c.tailProbeWanted) {
    if (batch.full) return true
    c.tailProbeWanted = false
    probeTail(c, batch, most)
  }
  for (let n = 0; n < QUANTUM; n++) {
    if (batch.full) return true
    if (c.recovery.newSegments > 0) {
      if (sendNew(c, batch, most, false)) c.recovery.newSegments--
      else if (c.paceWaits) return false
      else c.recovery.newSegments = 0
    } else if (c.sent.lostBytes > 0) {
      if (!resendLost(c, batch, most)) return false
    } else if (!sendNew(c, batch, most, false)) return false
  }
  return true
}

function resendLost(c: Connection, batch: PacketBatch, most: number): boolean {
  const { sent, recovery } = c
  const n = sent.nextLost()
  if (n === NONE) return false
  const length = sent.length(n)
  const pipe = c.pipe
  if (!recovery.force && pipe > 0 && pipe + length > c.congestion.window) return false
  // A window that has shrunk below what is in flight lets only the first segment pass.
  if (n !== sent.first && before(sequenceAdd(c.una, c.sendWindow), sent.end(n))) return false
  if (!recovery.force && !paceAllows(c)) return false
  resend(c, batch, n, most)
  return true
}

function resend(c: Connection, batch: PacketBatch, record: number, most: number): void {
  const { sent, recovery, stack } = c
  let n = record
  if (sent.length(n) - ((sent.flags(n) & FIN) !== 0 ? 1 : 0) > most) {
    const sequence = sent.sequence(n)
    sent.split(most)
    n = sent.find(sequence)
  }
  const length = sent.length(n)
  const fin = (sent.flags(n) & FIN) !== 0
  const sequence = sent.sequence(n)
  recovery.repeats(length, stack.micros)
  const idle = c.pipe === 0
  sent.markRetransmitted(n, stack.micros)
  c.rate.sent(sent, n, idle, stack.micros)
  if (n === sent.first) c.timeoutFrom = stack.now
  recovery.sent(length)
  paceSent(c, length)
  stack.counters.retransmits++
  sendData(c, batch, sequence, fin ? length - 1 : length, fin)
}

/** The next new segment. `probe`: a tail loss probe, which may exceed the congestion window. False: nothing, or not allowed. */
function sendNew(c: Connection, batch: PacketBatch, most: number, probe: boolean): boolean {
  const { sent, unsent, stack } = c
  if (c.finSent || sent.full) return false
  const waiting = sequenceDistance(c.next, unsent.end)
  if (waiting === 0 && !probe) c.rate.applicationLimits(c.pipe)
  if (waiting === 0 && !c.finQueued) return false
  const usable = sequenceDistance(c.next, sequenceAdd(c.una, c.sendWindow))
  let length = Math.min(waiting, most)
  if (length > usable || (length === 0 && usable <= 0)) {
    // Sender's silly-window avoidance (RFC 9293 section 3.8.6.2.1).
    if (usable <= 0) return false
    if (usable * 2 < c.sendWindowMost && !(c.overrideWanted && sent.count === 0)) return false
    length = usable
  }
  const fin = c.finQueued && length === waiting && usable > length
  if (length === 0 && !fin) return false
  const pipe = c.pipe
  if (!probe && pipe > 0 && pipe + length > c.congestion.window) {
    c.limited = true
    c.limitedUntil = c.next
    return false
  }
  if (!probe && !paceAllows(c)) return false
  if (sent.count === 0) flightBegins(c)
  c.overrideWanted = false
  const sequence = c.next
  const size = fin ? length + 1 : length
  sent.push(sequence, size, fin ? FIN : 0, stack.micros)
  c.rate.sent(sent, sent.last, pipe === 0, stack.micros)
  c.next = sequenceAdd(c.next, size)
  c.lastSent = stack.now
  paceSent(c, size)
  if (c.recovery.phase !== OPEN) c.recovery.sent(size)
  if (fin) {
    c.finSent = true
    c.move('fin-sent')
  }
  sendData(c, batch, sequence, length, fin)
  return true
}

function flightBegins(c: Connection): void {
  const { now } = c.stack
  if (c.lastSent > 0) {
    c.congestion.resumes(now - Math.max(c.lastSent, c.progressAt), c.trip.timeout, c.mss)
  }
  c.timeoutFrom = now
  c.progressAt = now
  if (c.timer === TIMER_PERSIST) c.trip.backoff = 0
}

/** RFC 8985 section 7.3: new data if there is any and the window allows, else the last segment again. */
function probeTail(c: Connection, batch: PacketBatch, most: number): void {
  const { rack, sent } = c
  if (sent.count === 0) return
  rack.probing = true
  rack.probeRetransmitted = false
  c.timeoutFrom = c.stack.now
  if (!sendNew(c, batch, most, true)) {
    rack.probeRetransmitted = true
    resend(c, batch, sent.last, most)
  }
  rack.probeEnd = c.next
}

function sendData(
  c: Connection,
  batch: PacketBatch,
  sequence: number,
  length: number,
  fin: boolean,
): void {
  const at = batch.place() + ipHeaderLength(c.remoteIp)
  const { bytes } = batch
  const header = c.timestampsUsed ? TCP_HEADER + TIMESTAMPS_LENGTH : TCP_HEADER
  if (length > 0) c.unsent.copy(sequence, length, bytes, at + header)
  const last = atOrBefore(c.unsent.end, sequenceAdd(sequence, length))
  const flags = TCP_ACK | (fin ? TCP_FIN : 0) | (last && length > 0 ? TCP_PSH : 0)
  finishSegment(c, batch, at, sequence, header, flags)
  commitSegment(batch, c.stack.ip, c.localIp, c.remoteIp, header + length)
}

/** Writes the header of a segment of an open connection; with it goes our newest ACK. */
function finishSegment(
  c: Connection,
  batch: PacketBatch,
  at: number,
  sequence: number,
  header: number,
  flags: number,
): void {
  const window = advertise(c)
  writeTcp(batch.bytes, at, c.localPort, c.remotePort, sequence, c.received, header, flags, window)
  if (c.timestampsUsed) {
    writeTimestamps(batch.bytes, at + TCP_HEADER, timestampNow(c), c.timestampRecent)
  }
  c.lastAckSent = c.received
  c.acksWanted = 0
  c.unacknowledged = 0
  c.acknowledgeAt = Number.POSITIVE_INFINITY
}

/** A segment without data; SACK and DSACK blocks go with it. */
function sendAck(c: Connection, batch: PacketBatch, sequence: number, blocks: Int32Array): void {
  const at = batch.place() + ipHeaderLength(c.remoteIp)
  let header = c.timestampsUsed ? TCP_HEADER + TIMESTAMPS_LENGTH : TCP_HEADER
  if (c.sackUsed) {
    const most = c.timestampsUsed ? 3 : 4
    let count = 0
    if (c.duplicateSeen) {
      blocks[0] = c.duplicateLeft
      blocks[1] = c.duplicateRight
      count = 1
      c.duplicateSeen = false
    }
    if (c.outOfOrder !== undefined) count = c.outOfOrder.blocks(blocks, count, most)
    // A FIN right behind a block has come with it.
    if (c.finSeen && !c.finReceived) {
      for (let k = 1; k < 2 * count; k += 2) {
        if (blocks[k] === c.finSequence) blocks[k] = sequenceAdd(c.finSequence, 1)
      }
    }
    if (count > 0) {
      writeSack(batch.bytes, at + header, blocks, count)
      header += sackLength(count)
    }
  }
  finishSegment(c, batch, at, sequence, header, TCP_ACK)
  commitSegment(batch, c.stack.ip, c.localIp, c.remoteIp, header)
}

function synchronizeStamp(c: Connection): number {
  if (!c.cookie) return timestampNow(c)
  return cookieStamp(c.stack.now, c.timestampOffset, {
    sackPermitted: c.sackUsed,
    windowScale: c.receiveShift > 0 ? c.sendShift : -1,
  })
}

/** SYN with all we can do, or SYN-ACK with what both can. */
function synchronize(c: Connection, batch: PacketBatch): void {
  const { stack } = c
  const answer = c.state === 'SYN-RECEIVED'
  const start = batch.place() + ipHeaderLength(c.remoteIp)
  const { bytes } = batch
  const end = writeSynchronizeOptions(bytes, start + TCP_HEADER, {
    mss: Math.min(65_535, segmentRoom(c)),
    sackPermitted: !answer || c.sackUsed,
    timestamps:
      !answer || c.timestampsUsed
        ? { value: synchronizeStamp(c), echo: answer ? c.timestampRecent : 0 }
        : undefined,
    windowScale: !answer || c.receiveShift > 0 ? RECEIVE_SHIFT : -1,
  })
  const header = end - start
  writeTcp(
    bytes,
    start,
    c.localPort,
    c.remotePort,
    c.iss,
    answer ? c.received : 0,
    header,
    answer ? TCP_SYN | TCP_ACK : TCP_SYN,
    Math.min(65_535, c.receiveLimit),
  )
  c.synWanted = false
  c.acksWanted = 0
  c.timeoutFrom = stack.now
  commitSegment(batch, stack.ip, c.localIp, c.remoteIp, header)
}
