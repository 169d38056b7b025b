/**
 * A tunnel that carries streams instead of IP packets: an upstream proxy, an SSH server. There is no
 * address, no route and no stack; whoever has it asks the far side for one connection after the other.
 */
import type { CallOptions } from './environment.js'
import type { PvpnError } from './errors.js'
import type { Answers } from './question.js'
import type { ByteStream, DatagramPort, StreamListener } from './stream.js'
import type { Millis, Target } from './types.js'

export interface StreamTunnel {
  /**
   * Connects to the server where that is not done yet, and looks whether it answers. Rejects with
   * ERR_DOWN (not now: will be tried again), or with what needs a person: ERR_AUTH, ERR_CONFIG; an
   * error of `askFor` (core/question.ts) puts its questions to one.
   */
  check(options: CallOptions): Promise<void>
  /**
   * A connection from the far side; a name is resolved there. ERR_DOWN and ERR_AUTH mean the tunnel
   * itself, every other code the target.
   */
  dial(target: Target, options: CallOptions): Promise<ByteStream>
  /** A UDP port of the far side. ERR_UNSUPPORTED when the server does not do it; absent: the protocol can't. */
  bindUdp?(options: CallOptions & { readonly family: 4 | 6 }): Promise<DatagramPort>
  /** A TCP port of the far side that accepts connections; absent: the protocol can't. */
  listen?(options: { readonly port: number }): Promise<StreamListener>
  /** What a person said to the questions of the last error; `check` follows. Absent: it never asks. */
  answer?(answers: Answers): void
  /** Ends what the tunnel keeps open; streams that were dialled are their owners'. */
  close(): void
  /** The connection to the server has ended by itself; only for tunnels that keep one. */
  onLost?: (error: PvpnError) => void
  /** The server as `host:port`, for status. */
  readonly endpoint: string
}

/** What carries a tunnel's own bytes: the host's network, or another environment (`through`). */
export interface Underlay {
  /** Rejects with a PvpnError that tells why the server was not reached. */
  dial(target: Target, options: CallOptions & { readonly timeout: Millis }): Promise<ByteStream>
  /** A UDP port that reaches the server. */
  bindUdp(options: { readonly family: 4 | 6 }): Promise<DatagramPort>
  /** Addresses of a server's name. */
  lookup(host: string): Promise<readonly string[]>
}
