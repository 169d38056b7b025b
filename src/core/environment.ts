/** What listeners know of an environment. Anything but `up` means refuse: never the host's network. */
import type { ErrorReport } from './errors.js'
import type { Question } from './question.js'
import type { ByteStream, DatagramPort, StreamListener } from './stream.js'
import type { Bytes, Endpoint, Target } from './types.js'

export interface CallOptions {
  /** Aborts the wait; the call then rejects with ERR_ABORTED. */
  readonly signal?: AbortSignal
}

export interface LookupOptions extends CallOptions {
  /** Only this family; default both, in the order to be tried. */
  readonly family?: 4 | 6
}

/** Opens connections inside; every failure is a PvpnError whose code says the truth. */
export interface Dialer {
  /** Resolves the name inside, tries the addresses (RFC 8305), gives up after the environment's connect_timeout. */
  dial(target: Target, options?: CallOptions): Promise<ByteStream>
}

export interface Resolver {
  /** Addresses of a name, IP literals as they are. ERR_NAME: no such name or no address; ERR_RESOLVER: servers failed or silent. */
  lookup(name: string, options?: LookupOptions): Promise<readonly string[]>
  /** Names of an address (PTR). ERR_NAME when there is none. */
  reverse(address: string, options?: CallOptions): Promise<readonly string[]>
  /** One raw DNS message answered by the environment's servers; never rejects for a DNS failure (SERVFAIL instead; malformed: FORMERR). ERR_PROTOCOL: not a query, to be dropped without an answer. */
  exchange(query: Bytes, transport: 'udp' | 'tcp', options?: CallOptions): Promise<Bytes>
}

export interface Environment extends Dialer, Resolver {
  readonly name: string
  readonly state: EnvironmentState
  /** A UDP port inside (ephemeral when 0 or absent). ERR_UNSUPPORTED where the tunnel carries no datagrams. */
  bindUdp(options?: { readonly port?: number; readonly family?: 4 | 6 }): Promise<DatagramPort>
  /** A TCP port inside that accepts connections (ephemeral when 0). */
  listenTcp(options: {
    readonly port: number
    readonly backlog?: number
    readonly family?: 4 | 6
  }): Promise<StreamListener>
}

export type EnvironmentState = 'stopped' | 'starting' | 'up' | 'down' | 'failed'

/** As `pvpn status --json` shows it; times are ISO 8601. */
export interface EnvironmentStatus {
  readonly name: string
  readonly state: EnvironmentState
  readonly error: ErrorReport | null
  /** What `pvpn start` would ask; absent: nothing. */
  readonly asks?: readonly Question[]
  /** Of these questions: sent back with the answers, so that these are for no others. */
  readonly asksId?: string
  /** Checks that the configuration leaves out; absent: none. */
  readonly relaxed?: readonly string[]
  readonly pid: number | null
  readonly tunnel: {
    readonly type: string
    readonly endpoint: string | null
    readonly since: string | null
    readonly lastHandshake: string | null
    readonly bytesIn: number
    readonly bytesOut: number
  }
  readonly addresses: readonly string[]
  readonly mtu: number | null
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] }
  readonly listen: { readonly proxy: readonly string[]; readonly dns: readonly string[] }
  readonly connections: number
}

/** Who asked: what a policy may look at. */
export interface Session {
  /** Listener's address, for logs. */
  readonly listener: string
  readonly client: Endpoint
  /** Authenticated proxy user, when there is one. */
  readonly user?: string
}

export type { Endpoint }
