/** The seam between the IP part of the stack and its TCP part. */
import type { Allocator } from '../core/allocator.js'
import type { PvpnError } from '../core/errors.js'
import type { CookieFigures } from '../core/figures.js'
import type { Histogram } from '../core/histogram.js'
import type { PacketBatch } from '../core/packet-batch.js'
import type { StreamListener } from '../core/stream.js'
import type { Bytes, Endpoint, Millis, Random } from '../core/types.js'
import type { BatchChecksums } from './batch-checksums.js'
import type { TcpSocket } from './contract.js'
import type { FlowMix } from './flow-mix.js'

/** What TCP needs of IP. Addresses are 4 or 16 bytes; results are not to be changed. */
export interface IpLayer {
  /** Our address for talking to `destination`; undefined when there is none of that family. */
  sourceFor(destination: Bytes): Bytes | undefined
  isLocal(address: Bytes): boolean
  /** Largest IP packet that reaches `destination`, in bytes (link MTU or what ICMP said). */
  pathMtu(destination: Bytes): number
  /** Packets larger than `mtu` do not reach `destination`, though no router says so: `pathMtu` knows for a while. */
  shrinkPath(destination: Bytes, mtu: number, now: Millis): void
  /** Next value of the IPv4 identification field. */
  identification(): number
  /** Where large packets' checksums are left open; absent: each is sealed at once. */
  readonly checksums?: BatchChecksums | undefined
}

export interface TcpLayerOptions {
  readonly random: Random
  readonly ephemeralPorts: readonly [number, number]
  /** False: windows leave at once, for tests that compare segment by segment. */
  readonly pacing?: boolean
  /** Bytes that the connections together may hold in each direction. Default 256 MiB. */
  readonly memory?: number
  /** See StackOptions. */
  readonly allocator?: Allocator | undefined
  /** Is told what connections carry. Default: one of the layer's own. */
  readonly flows?: FlowMix
  /** For paths that are paced; others have CUBIC. Default BBR. */
  readonly congestion?: 'bbr' | 'cubic'
}

/** An ICMP error about one of our segments: who was talking (our side first), the sequence number quoted, and what it says. */
export interface TcpIcmpError {
  readonly local: Bytes
  readonly localPort: number
  readonly remote: Bytes
  readonly remotePort: number
  readonly sequence: number
  /** Packet too big: re-read `pathMtu` and resend; otherwise the error it stands for. */
  readonly error: PvpnError | 'packet-too-big'
}

export interface TcpLayer {
  /**
   * One TCP segment at bytes[at … at+length) of an IP packet whose header starts at `ipAt` (valid,
   * addressed to us, not a fragment). Checks lengths and checksum itself. `sum`: of the whole packet,
   * as batch-checksums.ts has it; only where the segment follows the IP header and fills the packet.
   */
  input(bytes: Bytes, ipAt: number, at: number, length: number, now: Millis, sum?: number): void
  /** Does this port belong to a connection or listener of ours? (Else a wrapper's namespace may have it.) */
  owns(local: Bytes, localPort: number, remote: Bytes, remotePort: number): boolean
  /** Does the error quote what a connection of ours has in flight (RFC 5927 section 4.1)? Others are guesses. */
  believes(error: TcpIcmpError): boolean
  /** So many bytes of datagrams wait in front of us, after much was received. True: a queue stands there. */
  waiting(bytes: number, now: Millis): boolean
  notify(): void
  /** Appends whole IP packets; the number appended. */
  output(batch: PacketBatch, now: Millis): number
  deadline(): Millis
  tick(now: Millis): void
  onReady: () => void
  connect(to: Endpoint, now: Millis): TcpSocket
  listen(options: { port: number; family?: 4 | 6; backlog?: number }): StreamListener
  icmpError(error: TcpIcmpError, now: Millis): void
  /** Local addresses have changed: connections whose address has gone close with ERR_DOWN. */
  addressesChanged(now: Millis): void
  readonly counters: {
    readonly open: number
    readonly retransmits: number
    readonly timeouts: number
    readonly cookies: CookieFigures
    /** Milliseconds. */
    readonly roundTrips: Histogram
    readonly drops: Readonly<Record<string, number>>
  }
}
