/** What the tunnel counts. */
import type { TunnelCounters } from '../../core/tunnel.js'

/** Why datagrams and packets are dropped. */
export type DropReason =
  | 'malformed' // no message of ours, or the wrong size
  | 'mac1' // a handshake message not meant for our key
  | 'load' // a handshake message above the bounds under load
  | 'handshake' // a handshake message that is forged, replayed, or from nobody we know
  | 'session' // data of a session that is unknown or has expired
  | 'forged' // data whose tag is wrong
  | 'replay' // data received before, or too old to tell
  | 'packet' // data that holds no IP packet
  | 'source' // an IP packet from an address that its peer may not use
  | 'route' // an IP packet of ours for an address that no peer has
  | 'queue' // waited for a session in vain
  | 'outgoing' // too many messages waiting to be sent, or no room for one

export class Counters implements TunnelCounters {
  bytesIn = 0
  bytesOut = 0
  packetsIn = 0
  packetsOut = 0
  readonly handshakes = { completed: 0, failed: 0 }
  readonly drops: Record<DropReason, number> = {
    malformed: 0,
    mac1: 0,
    load: 0,
    handshake: 0,
    session: 0,
    forged: 0,
    replay: 0,
    packet: 0,
    source: 0,
    route: 0,
    queue: 0,
    outgoing: 0,
  }
}
