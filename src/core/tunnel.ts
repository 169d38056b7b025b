/**
 * A tunnel that carries IP packets, as a machine without I/O: no clock, socket, random source or
 * await inside. Datagrams of the peer are hostile input: they are counted and dropped, never thrown.
 */
import type { PvpnError } from './errors.js'
import type { HandshakeFigures } from './figures.js'
import type { PacketBatch } from './packet-batch.js'
import type { Answers } from './question.js'
import type { LinkInfo, Millis } from './types.js'

/** What has happened; taken with `takeEvent` after each call until undefined. */
export type TunnelEvent =
  | { readonly kind: 'up'; readonly link: LinkInfo } // may repeat with a new address
  | { readonly kind: 'down'; readonly error: PvpnError } // was up; goes on trying
  | { readonly kind: 'trying'; readonly error: PvpnError } // not up yet; what was tried and did not work
  | { readonly kind: 'failed'; readonly error: PvpnError } // needs a person; `error.asks` (core/question.ts): their answers
  | { readonly kind: 'resolve'; readonly host: string; readonly port: number; readonly id: number } // answer with `resolved`

export interface TunnelCounters {
  readonly bytesIn: number
  readonly bytesOut: number
  readonly packetsIn: number
  readonly packetsOut: number
  /** Dropped packets by reason; reasons are a closed set per tunnel. */
  readonly drops: Readonly<Record<string, number>>
  /** Key agreements, renewals included; absent where the tunnel does not count them. */
  readonly handshakes?: HandshakeFigures
}

export interface PacketTunnel {
  /** Set by the driver of a tunnel that has helpers beside it (TLS): something came outside of a turn. */
  onReady?: () => void
  /** What the configuration gives before the tunnel is up. */
  readonly link: LinkInfo
  open(now: Millis): void
  close(now: Millis): void
  /** After `close`: the peer is still being told; turns go on until this is false, which is soon. Absent: one turn is enough. */
  readonly leaving?: boolean
  /** Datagrams from peers (`batch.address` their sources; of family 0: not known, as if from where the peer was last): each becomes, in place, the IP packet it carried; others get length 0. */
  receive(batch: PacketBatch, now: Millis): void
  /** IP packets from the stack: each becomes, in place, a datagram with its `address`; those that must wait are copied away and get length 0. */
  transmit(batch: PacketBatch, now: Millis): void
  /** Appends the tunnel's own datagrams (handshakes, keepalives, what had waited) until nothing is left or the batch is full. */
  poll(batch: PacketBatch, now: Millis): void
  /** When `tick` is next wanted; Infinity when nothing is pending. */
  deadline(): Millis
  tick(now: Millis): void
  takeEvent(): TunnelEvent | undefined
  /** The answer to a `resolve` event: socket addresses (core/socket-address codec), none when the name did not resolve. */
  resolved(id: number, addresses: readonly Uint8Array[], now: Millis): void
  /**
   * What a person said to the questions of a `failed` event: the tunnel goes on with it, from where it
   * stands or anew. An answer may be missing or of a field not asked for; then it asks again. Absent:
   * it never asks.
   */
  answer?(answers: Answers, now: Millis): void
  /** Would this destination go anywhere? False: no peer's AllowedIPs has it (so: network unreachable, at once). */
  routes(address: Uint8Array): boolean
  readonly counters: TunnelCounters
  /** Monotonic time of the last completed handshake. */
  readonly lastHandshake: Millis | undefined
  /** The peer's address as text (`host:port`), for status. */
  readonly endpoint: string | undefined
}
