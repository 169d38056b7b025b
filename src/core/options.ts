/**
 * A validated, frozen configuration: what config/ makes of the file, and what gateway, environment
 * and listeners start from. Secrets are here in the clear; nothing of this goes to logs or status.
 */
import type { Endpoint, Target } from './types.js'

/** Where something listens: an address and port, or a Unix socket's path. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export interface ProxyUser {
  readonly name: string
  readonly password: string
}

/** One peer of a WireGuard interface. Keys are 32 bytes. */
export interface WireguardPeerOptions {
  readonly publicKey: Uint8Array
  readonly presharedKey?: Uint8Array
  /** Absent: the peer calls us. The host may be a name. */
  readonly endpoint?: Target
  /** Prefixes as text, e.g. `192.168.11.0/24`. */
  readonly allowedIps: readonly string[]
  /** Seconds; 0 is off. */
  readonly persistentKeepalive: number
}

export interface WireguardOptions {
  readonly type: 'wireguard'
  readonly privateKey: Uint8Array
  /** With prefix length, e.g. `192.168.9.52/24`. */
  readonly addresses: readonly string[]
  readonly dns: readonly string[]
  readonly search: readonly string[]
  /** Bytes; default 1420. */
  readonly mtu: number
  /** UDP port on the host; 0: any. */
  readonly listenPort: number
  readonly peers: readonly WireguardPeerOptions[]
}

export interface DirectOptions {
  readonly type: 'direct'
}

/** Grows by one member per tunnel type. */
export type TunnelOptions = WireguardOptions | DirectOptions

export interface DnsOptions {
  /** Undefined: what the tunnel brings. Each `address` with port 53 unless said otherwise. */
  readonly servers: readonly Endpoint[] | undefined
  readonly search: readonly string[] | undefined
  /** Zone (lower case, no dots at the ends) to its servers. */
  readonly zones: Readonly<Record<string, readonly Endpoint[]>>
  /** Name (lower case) to addresses. */
  readonly hosts: Readonly<Record<string, readonly string[]>>
  readonly listen: readonly ListenAddress[]
}

export interface ForwardOptions {
  readonly listen: ListenAddress
  readonly to: Target
  readonly protocol: 'tcp' | 'udp'
}

export interface PublishOptions {
  /** Port inside. */
  readonly port: number
  /** Service on the host. */
  readonly to: Target
  readonly protocol: 'tcp' | 'udp'
}

export interface EnvironmentOptions {
  readonly name: string
  readonly tunnel: TunnelOptions
  /** The environment that carries the tunnel's own packets; absent: the host's network does. */
  readonly through?: string
  readonly listen: readonly ListenAddress[]
  readonly users: readonly ProxyUser[]
  readonly dns: DnsOptions
  readonly forwards: readonly ForwardOptions[]
  readonly publish: readonly PublishOptions[]
  readonly start: 'always' | 'on-demand'
  /** Seconds until "no answer". */
  readonly connectTimeout: number
  readonly allowUnauthenticated: boolean
}

export interface PolicyRule {
  /** `FILE:LINE` of the rule, for `pvpn explain`. */
  readonly source: string
  readonly program?: string
  readonly children?: boolean
  readonly user?: string
  readonly group?: string
  readonly domain?: readonly string[]
  readonly address?: readonly string[]
  readonly port?: readonly number[]
  readonly environment: string
}

export interface PolicyOptions {
  readonly listen: readonly ListenAddress[]
  readonly names: boolean
  readonly users: readonly ProxyUser[]
  readonly allowUnauthenticated: boolean
  readonly rules: readonly PolicyRule[]
  /** `deny`, or an environment's name. */
  readonly default: string
}

export interface GatewayOptions {
  /** The configuration file's absolute path; undefined for a configuration made in memory (demo). */
  readonly file: string | undefined
  /** Undefined: `listen: none`. */
  readonly control: { readonly listen: ListenAddress | undefined }
  readonly environments: readonly EnvironmentOptions[]
  readonly policy: PolicyOptions | undefined
}
