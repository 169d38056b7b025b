/** What the parts of TCP share: the layer as its connections see it. */
import type { Allocator } from '../../core/allocator.js'
import type { CookieFigures } from '../../core/figures.js'
import type { Histogram } from '../../core/histogram.js'
import type { Bytes, Millis } from '../../core/types.js'
import type { IpLayer } from '../tcp-contract.js'
import type { Connection } from './connection.js'
import type { KnownTrips } from './known-trips.js'
import type { ReceivePressure } from './receive-pressure.js'
import type { SharedMemory } from './shared-memory.js'

export interface TcpCounters {
  open: number
  retransmits: number
  timeouts: number
  readonly cookies: Record<keyof CookieFigures, number>
  readonly roundTrips: Histogram
  readonly drops: Record<TcpDrop, number>
}

export type TcpDrop =
  | 'malformed' // header or lengths
  | 'checksum'
  | 'no-connection' // answered with RST
  | 'old-timestamp' // PAWS
  | 'no-timestamp' // agreed on and missing
  | 'out-of-window'
  | 'bad-acknowledgment'
  | 'bad-reset' // RST or SYN that is not exactly right (challenge ACK)
  | 'no-acknowledgment' // a segment without ACK in a synchronized state
  | 'half-open-full' // SYN, or ACK of a SYN cookie, beyond the bound of connections
  | 'memory' // data beyond a bound
  | 'gaps' // one gap too many
  | 'replies' // an answer beyond the bound

export interface TcpContext {
  readonly ip: IpLayer
  /** Time of this cycle, and the same in microseconds wrapped to 32 bits. */
  readonly now: Millis
  readonly micros: number
  /** Milliseconds, in all, by which deadlines were missed: how long the machine had no time for us. */
  readonly late: Millis
  readonly pacing: boolean
  /** Memory for data on its way. */
  readonly allocator: Allocator
  readonly congestion: 'bbr' | 'cubic'
  readonly counters: TcpCounters
  readonly knownTrips: KnownTrips
  readonly pressure: ReceivePressure
  /** A connection has got `length` bytes of data in one segment. */
  receives(c: Connection, length: number): void
  readonly receiveMemory: SharedMemory
  readonly sendMemory: SharedMemory
  /** No memory was left for what it has to write: it is told when there is. */
  wantMemory(c: Connection): void
  /** The connection may have something to send. */
  wantOutput(c: Connection): void
  /** The connection has something to tell its user (`c.events`). */
  wantNotify(c: Connection): void
  /** Its deadline may have come nearer. */
  wantTick(c: Connection, at: Millis): void
  /** A segment outside of any connection's stream: RST or an ACK. */
  reply(
    local: Bytes,
    remote: Bytes,
    localPort: number,
    remotePort: number,
    sequence: number,
    acknowledgment: number,
    flags: number,
  ): void
  /** Out of all tables; `timeWait`: its addresses stay taken for a while. */
  release(c: Connection, timeWait: boolean): void
}
