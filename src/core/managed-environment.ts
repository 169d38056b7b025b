/** An environment as its own process sees it: the contract of listeners, and what starting, stopping and status need. */
import type { Environment } from './environment.js'
import type { PvpnError } from './errors.js'
import type { NetworkFigures } from './figures.js'
import type { PacketBatch } from './packet-batch.js'
import type { Answers } from './question.js'
import type { Bytes, LinkInfo, Millis } from './types.js'

export interface ManagedEnvironment extends Environment {
  /** Begins to connect; resolves at once. Changes are told by the `onState` given at construction. */
  start(): Promise<void>
  /** Ends every connection and the tunnel; final. */
  stop(): Promise<void>
  /** Why it is not up, or undefined. */
  readonly error: PvpnError | undefined
  /** What a person said to the questions of `error.asks`: it tries again with that. Absent: it never asks. */
  answer?(answers: Answers): void
  /** Undefined for tunnels without an IP layer. */
  readonly link: LinkInfo | undefined
  /** Monotonic time since which it is up; undefined when it is not. */
  readonly upSince: Millis | undefined
  /** What its resolver uses now. */
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] }
  readonly tunnelStatus: TunnelStatus
  /** The IP layer itself, for a network namespace that has the environment's address too; undefined without one. */
  readonly packetGate?: PacketGate
  /** What this kind of tunnel can count, for metrics. */
  readonly figures: NetworkFigures
}

export interface PacketGate {
  /** Gets the packets to our address that the stack has no use for; the bytes are borrowed. Undefined: the stack answers them. */
  onPacket: ((bytes: Bytes, at: number, length: number) => void) | undefined
  /** Sends IP packets into the tunnel; the batch is used up. They are lost when the tunnel is down or the socket full. */
  transmit(batch: PacketBatch): void
  /** Would this destination go anywhere? */
  routes(address: Bytes): boolean
}

export interface TunnelStatus {
  readonly type: string
  /** `host:port` of the far side, when it is known. */
  readonly endpoint: string | undefined
  /** Monotonic time of the last completed handshake. */
  readonly lastHandshake: Millis | undefined
  readonly bytesIn: number
  readonly bytesOut: number
}
