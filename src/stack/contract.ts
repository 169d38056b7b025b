/**
 * The userspace TCP/IP stack of one environment, as a machine: IP packets in and out in batches,
 * no clock, socket or random source of its own. The driver's cycle is
 *
 *   input(batch) … → notify() → output(batch) until 0 → wait for deadline(), onReady or packets
 *
 * `input` and `tick` only change state; `notify` calls the callbacks (`onReadable` …) of sockets
 * that changed, once each, and hands over the datagrams of the last `input` (whose batch must not be
 * touched in between); `output` cuts segments straight into the batch. Calls on sockets (write,
 * read, connect) only change state too and, outside a cycle, call `onReady` so that the driver pumps.
 */
import type { Allocator } from '../core/allocator.js'
import type { PvpnError } from '../core/errors.js'
import type { TcpFigures } from '../core/figures.js'
import type { PacketBatch } from '../core/packet-batch.js'
import type { PacketChecksums } from '../core/packet-checksums.js'
import type { ByteStream, DatagramPort, StreamListener } from '../core/stream.js'
import type { Bytes, Endpoint, LinkInfo, Millis, Random } from '../core/types.js'

export interface StackOptions {
  readonly random: Random
  /** Default: the stack sums packet by packet. */
  readonly checksums?: PacketChecksums | undefined
  /**
   * Memory for received data; and bytes that were written are released to it when the far side has
   * acknowledged them. Default: nothing is used again.
   */
  readonly allocator?: Allocator | undefined
  /** First and last local port for connections of our own; others belong to a wrapper's namespace. Default 32768–60999. */
  readonly ephemeralPorts?: readonly [number, number]
  /** Every address is ours: the far end of a link whose other end is all alone. Default false. */
  readonly anyAddress?: boolean
}

/** A connection being opened: becomes usable at `onConnect`, or fails by `onClose`. */
export interface TcpSocket extends ByteStream {
  readonly state: TcpState
  /** Handshake complete (for sockets from `connectTcp`); called by `notify`. */
  onConnect: () => void
}

export type TcpState =
  | 'SYN-SENT'
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT'
  | 'CLOSED'

/**
 * Gets whole IP packets to our address that no port, connection or ping of ours has asked for, and
 * ICMP errors: a network namespace may share the address. The bytes are borrowed for the call.
 */
export type Unclaimed = (bytes: Bytes, at: number, length: number) => void

export interface Stack {
  /** When set, such packets go there instead of being answered with a reset or "port unreachable". */
  onUnclaimed: Unclaimed | undefined
  /** New addresses or MTU. Connections whose address has gone are closed with ERR_DOWN; the others live on. */
  configure(link: LinkInfo, now: Millis): void
  input(batch: PacketBatch, now: Millis): void
  /**
   * After a large batch: so many bytes of datagrams still wait in the host's socket, its overhead
   * included. When they do for a while, connections that are sent much are slowed. True: they do, and it
   * is worth being told again after the next batch, of whatever size.
   */
  waiting(bytes: number, now: Millis): boolean
  /**
   * Connections or ports that carry little have been used lately beside ones that carry much. Then turns of
   * the cycle should be short: what little they carry waits behind the turn under way.
   */
  mixed(now: Millis): boolean
  notify(): void
  /** Appends IP packets until nothing is left or the batch is full; the number appended. */
  output(batch: PacketBatch, now: Millis): number
  deadline(): Millis
  tick(now: Millis): void
  /** Something to do appeared outside of a cycle. */
  onReady: () => void
  /** Throws PvpnError ERR_NET_UNREACHABLE when there is no address of that family, ERR_LIMIT at a bound. */
  connectTcp(to: Endpoint, now: Millis): TcpSocket
  /** Throws PvpnError ERR_LIMIT when the port is taken. */
  listenTcp(options: { port: number; family?: 4 | 6; backlog?: number }): StreamListener
  bindUdp(options?: { port?: number; family?: 4 | 6 }): DatagramPort
  /** ICMP echo; `done` gets the round trip in ms, or the error. */
  ping(to: Bytes, timeout: Millis, now: Millis, done: (result: number | PvpnError) => void): void
  readonly counters: StackCounters
}

export interface StackCounters {
  readonly packetsIn: number
  readonly packetsOut: number
  readonly drops: Readonly<Record<string, number>>
  readonly tcp: TcpFigures
}
