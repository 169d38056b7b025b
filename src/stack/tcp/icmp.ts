/** ICMP errors about our segments (RFC 5461, RFC 5927) and changes of the path. */
import type { TcpIcmpError } from '../tcp-contract.js'
import type { Connection } from './connection.js'
import { setSegmentSize } from './handshake.js'
import { atOrBefore, before } from './sequence.js'

/** Does the error quote something in flight (RFC 5927 section 4.1)? */
export function quotesFlight(c: Connection, icmp: TcpIcmpError): boolean {
  return atOrBefore(c.una, icmp.sequence) && before(icmp.sequence, c.next)
}

/** An error about a segment of this connection; believed only when it quotes something in flight. */
export function icmpArrives(c: Connection, icmp: TcpIcmpError): void {
  if (!quotesFlight(c, icmp)) return
  if (icmp.error === 'packet-too-big') {
    pathShrunk(c)
    return
  }
  // Only an opening connection believes it at once; for others it may explain a time-out.
  if (c.state === 'SYN-SENT') c.fail(icmp.error)
  else if (c.state === 'SYN-RECEIVED' && c.acceptor !== undefined) c.abandon()
  else c.softError = icmp.error
}

/** Segments larger than the path are cut and sent again at once; the network is not congested (RFC 1191 section 6.4). */
function pathShrunk(c: Connection): void {
  const earlier = c.mss
  setSegmentSize(c)
  if (c.mss >= earlier) {
    c.mss = earlier
    return
  }
  c.sent.split(c.mss)
  c.stack.wantOutput(c)
}

/** The link has changed or come back: a connection that waits for a time-out tries again at once. */
export function pathChanged(c: Connection): void {
  if (c.state === 'SYN-SENT') {
    c.trip.backoff = 0
    c.synWanted = true
  } else if (c.state !== 'SYN-RECEIVED') {
    setSegmentSize(c)
    c.sent.split(c.mss)
    if (c.trip.backoff > 0) {
      c.trip.backoff = 0
      if (c.sent.count > 0) c.sent.markLost(c.sent.first)
      else c.pokeWanted = c.unsent.size > 0
    }
  }
  c.stack.wantOutput(c)
}
