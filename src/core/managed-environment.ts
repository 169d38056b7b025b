/** An environment as its own process sees it: the contract of listeners, and what starting, stopping and status need. */
import type { Environment } from './environment.js'
import type { PvpnError } from './errors.js'
import type { LinkInfo, Millis } from './types.js'

export interface ManagedEnvironment extends Environment {
  /** Begins to connect; resolves at once. Changes are told by the `onState` given at construction. */
  start(): Promise<void>
  /** Ends every connection and the tunnel; final. */
  stop(): Promise<void>
  /** Why it is not up, or undefined. */
  readonly error: PvpnError | undefined
  /** Undefined for tunnels without an IP layer. */
  readonly link: LinkInfo | undefined
  /** Monotonic time since which it is up; undefined when it is not. */
  readonly upSince: Millis | undefined
  /** What its resolver uses now. */
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] }
  readonly tunnelStatus: TunnelStatus
  /** IP packets since the start, and those dropped by reason; all 0 for tunnels without an IP layer. */
  readonly packets: PacketCounts
}

export interface PacketCounts {
  readonly packetsIn: number
  readonly packetsOut: number
  readonly drops: Readonly<Record<string, number>>
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
