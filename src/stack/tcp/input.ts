/** A segment arrives for a connection (RFC 9293 section 3.10.7.3 and .4, with RFC 5961 and RFC 7323). */
import { PvpnError } from '../../core/errors.js'
import { formatIp } from '../../core/ip.js'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../wire/tcp.js'
import { acknowledge, type Delivery } from './acknowledge.js'
import type { Connection } from './connection.js'
import type { TcpDrop } from './context.js'
import { crossed, established, synchronizeSent } from './handshake.js'
import { CHALLENGE_ACK_INTERVAL } from './limits.js'
import { takeData, takeFin } from './receive.js'
import type { Segment } from './segment.js'
import { before, sequenceAdd, sequenceDistance } from './sequence.js'
import { outdated, rememberTimestamp } from './timestamps.js'

/** Handles one segment of this connection. `delivery` is scratch memory. */
export function segmentArrives(c: Connection, s: Segment, delivery: Delivery): void {
  if (c.state === 'SYN-SENT') {
    synchronizeSent(c, s)
    return
  }
  if (c.state === 'SYN-RECEIVED' && (s.flags & TCP_SYN) !== 0 && s.sequence === c.irs) {
    // The SYN again, or the other half of a simultaneous open: then only its ACK is news.
    if (crossed(c, s)) return
  }
  if (!timely(c, s) || !inWindow(c, s)) return
  if ((s.flags & TCP_RST) !== 0) {
    reset(c, s)
    return
  }
  if ((s.flags & TCP_SYN) !== 0) {
    drop(c, 'bad-reset')
    challenge(c)
    return
  }
  if ((s.flags & TCP_ACK) === 0) {
    drop(c, 'no-acknowledgment')
    return
  }
  if (c.state === 'SYN-RECEIVED' && !established(c, s)) return
  if (c.timestampsUsed && s.options.timestamps) rememberTimestamp(c, s)
  if (!acknowledge(c, s, delivery)) {
    drop(c, 'bad-acknowledgment')
    challenge(c)
    return
  }
  c.lastReceived = c.stack.now
  c.keepAlives = 0
  c.probes = 0
  c.stack.wantOutput(c)
  if (c.finSent && c.una === c.next) finAcknowledged(c)
  if (s.dataLength > 0) takeData(c, s)
  if ((s.flags & TCP_FIN) !== 0) takeFin(c, s)
}

/** Counts a segment that was not used. */
function drop(c: Connection, why: TcpDrop): void {
  c.stack.counters.drops[why]++
}

/** An ACK that tells an honest peer where we stand, at a bounded rate (RFC 5961 section 7). */
export function challenge(c: Connection): void {
  if (c.stack.now - c.lastChallenge < CHALLENGE_ACK_INTERVAL) return
  c.lastChallenge = c.stack.now
  c.acksWanted = Math.max(1, c.acksWanted)
  c.stack.wantOutput(c)
}

function timely(c: Connection, s: Segment): boolean {
  if (!c.timestampsUsed || (s.flags & TCP_RST) !== 0) return true
  if (!s.options.timestamps) {
    drop(c, 'no-timestamp')
    return false
  }
  if (!outdated(c, s)) return true
  drop(c, 'old-timestamp')
  if (s.length > 0) reportDuplicate(c, s)
  else challenge(c)
  return false
}

/** Is the segment acceptable (RFC 9293 section 3.4)? If not it is answered, unless it is a reset. */
function inWindow(c: Connection, s: Segment): boolean {
  const window = sequenceDistance(c.received, c.edge)
  const length = s.length
  const offset = sequenceDistance(c.received, s.sequence)
  if (length === 0) {
    if (window > 0 ? offset >= 0 && offset < window : offset === 0) return true
  } else if (window <= 0) {
    if (offset === 0) {
      // Shut window: the data is not taken, what the header says is.
      s.dataLength = 0
      s.flags &= ~(TCP_FIN | TCP_SYN)
      c.acksWanted = Math.max(1, c.acksWanted)
      c.stack.wantOutput(c)
      return true
    }
  } else if (offset < window && offset + length > 0) return true
  drop(c, 'out-of-window')
  if ((s.flags & TCP_RST) !== 0) return false
  if (length > 0 && offset < 0) reportDuplicate(c, s)
  else challenge(c)
  return false
}

/** Data we have already: acknowledged at once, with a DSACK block (RFC 2883). */
function reportDuplicate(c: Connection, s: Segment): void {
  const end = sequenceAdd(s.sequence, s.dataLength)
  if (c.sackUsed && s.dataLength > 0 && !before(c.received, end)) {
    c.duplicateSeen = true
    c.duplicateLeft = s.sequence
    c.duplicateRight = end
  }
  c.acksWanted = Math.max(1, c.acksWanted)
  c.stack.wantOutput(c)
}

/** RFC 5961 section 3.2: only the exact sequence number resets; others are challenged. */
function reset(c: Connection, s: Segment): void {
  if (s.sequence !== c.received) {
    drop(c, 'bad-reset')
    challenge(c)
    return
  }
  if (c.state === 'SYN-RECEIVED') {
    if (c.acceptor !== undefined) c.abandon()
    else c.fail(new PvpnError('ERR_REFUSED', refusal(c)))
    return
  }
  // After our FIN and theirs nothing is lost by a reset.
  if (c.state === 'CLOSING' || c.state === 'LAST-ACK') {
    if (c.unsent.size === 0) {
      c.state = 'CLOSED'
      c.finish(false)
      return
    }
  }
  c.fail(
    new PvpnError('ERR_RESET', `${formatIp(c.remoteIp)} port ${c.remotePort} reset the connection`),
  )
}

export function refusal(c: Connection): string {
  return `${formatIp(c.remoteIp)} refused the connection to port ${c.remotePort}`
}

function finAcknowledged(c: Connection): void {
  const earlier = c.state
  c.move('fin-acknowledged')
  if (c.state === 'CLOSED') c.finish(false)
  else if (c.state === 'TIME-WAIT' && earlier !== c.state) c.finish(true)
}
