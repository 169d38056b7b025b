/** What the tunnel counts. */
import type { TunnelCounters } from '../../core/tunnel.js'

/** Why datagrams and packets are dropped. */
export type DropReason =
  | 'malformed' // no packet of ours, or the wrong size
  | 'address' // not from the server's address
  | 'control' // a control packet that is forged, replayed, or of no session of ours
  | 'session' // data of a key that is not (or no longer) there
  | 'forged' // data whose tag is wrong
  | 'replay' // data received before, or too old to tell
  | 'compressed' // data that is compressed, or framed in a way not agreed
  | 'packet' // data that holds no IP packet
  | 'route' // a packet of ours for an address that no route leads to
  | 'down' // a packet of ours while there is no key
  | 'outgoing' // too many messages waiting to be sent, or no room for one

export class Counters implements TunnelCounters {
  bytesIn = 0
  bytesOut = 0
  packetsIn = 0
  packetsOut = 0
  readonly handshakes = { completed: 0, failed: 0 }
  readonly drops: Record<DropReason, number> = {
    malformed: 0,
    address: 0,
    control: 0,
    session: 0,
    forged: 0,
    replay: 0,
    compressed: 0,
    packet: 0,
    route: 0,
    down: 0,
    outgoing: 0,
  }
}
