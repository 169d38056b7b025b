/** What the tunnel counts. */
import type { TunnelCounters } from '../../core/tunnel.js'

/** Why frames and packets are dropped. */
export type DropReason =
  | 'malformed' // a frame of no known kind
  | 'compressed' // compression was never agreed to
  | 'packet' // data that holds no IP packet
  | 'route' // a packet of ours for an address that no route leads to
  | 'size' // a packet of ours that is larger than the tunnel's MTU
  | 'down' // a packet of ours while there is no tunnel
  | 'outgoing' // too many control frames waiting to be sent

export class Counters implements TunnelCounters {
  bytesIn = 0
  bytesOut = 0
  packetsIn = 0
  packetsOut = 0
  readonly drops: Record<DropReason, number> = {
    malformed: 0,
    compressed: 0,
    packet: 0,
    route: 0,
    size: 0,
    down: 0,
    outgoing: 0,
  }
}
