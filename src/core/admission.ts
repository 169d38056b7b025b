/** What the gateway tells an environment's process of a connection that came in by the policy port. */
import type { Target } from './types.js'

export interface Admission {
  /** The proxy user that gave a password at the policy port. The environment's own users are not asked for again. */
  readonly user?: string
  /** What the client asked for, as it wrote it. Whatever else is asked for on this connection is refused. */
  readonly asked: Target
  /** The host to be reached for it: another one with names below pvpn.internal. */
  readonly host: string
  /** A rule on addresses decided about the name: only these are connected to, whatever it resolves to now. */
  readonly addresses?: readonly string[]
}

/** A connection on its way to whoever serves it. */
export interface HandedConnection {
  /** Where it was accepted, for logs. */
  readonly listener: string
  /** What was read from it already; absent: nothing was read. */
  readonly head?: Uint8Array
  /** Absent: it came by the environment's own port, and nothing has been said to it. */
  readonly admission?: Admission
}
