/** Monotonic milliseconds; never wall time. */
export type Millis = number

/** As an argument: borrowed for the call. As a result: the receiver's to keep. */
export type Bytes = Uint8Array

/** Fills `out` with bytes from a cryptographically strong source (seeded in tests). */
export type Random = (out: Bytes) => void

/** Where a program wants to go: a name or an IP literal (IPv6 without brackets), and a port. */
export interface Target {
  readonly host: string
  readonly port: number
}

/** An IP address in text form (canonical, IPv6 without brackets) and a port. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/** What a tunnel brings: the environment's addresses, DNS servers and MTU. */
export interface LinkInfo {
  /** Addresses with prefix length, e.g. `192.168.9.52/24`, `fd00::2/64`. */
  readonly addresses: readonly string[]
  /** DNS servers that the tunnel brings, as IP literals; `ADDRESS:PORT` (`[V6]:PORT`) where it is not 53. */
  readonly dns: readonly string[]
  /**
   * Split DNS that the tunnel brings: a domain to the servers, written like `dns`, that alone are asked
   * for it and what is below. The others ask `dns`; where that is empty, the servers of all zones.
   */
  readonly zones?: Readonly<Record<string, readonly string[]>>
  /** Search domains that the tunnel brings. */
  readonly search: readonly string[]
  /** Largest IP packet that the tunnel carries, in bytes. */
  readonly mtu: number
  /** What the server gave and can't be (core/server-values.ts), for the log; absent: nothing. */
  readonly leftOut?: readonly string[]
  /** What the server says to people who connect, one plain line, for the log; absent: nothing. */
  readonly banner?: string
}

export interface Clock {
  now(): Millis
  /** Runs `run` once at or after `when`; the result cancels it. */
  at(when: Millis, run: () => void): () => void
}

export interface Lifecycle {
  start(): Promise<void>
  stop(): Promise<void>
}
