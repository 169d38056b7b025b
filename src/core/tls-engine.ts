/**
 * One TLS client session without a socket: records in, records out. The engine works beside the
 * machine that uses it, so its answers never come during a call of the machine but later, in order.
 */
import type { PvpnError } from './errors.js'
import type { Bytes } from './types.js'

export interface TlsEngineHandlers {
  /** Records for the peer. */
  onOutput(bytes: Bytes): void
  /** The handshake is done and the peer's certificate has passed every check. */
  onSecure(): void
  onPlaintext(bytes: Bytes): void
  /** The session has ended, by an error or by the peer; nothing follows. */
  onError(error: PvpnError): void
}

export interface TlsEngine {
  /** Bytes of records from the peer, in order, cut anywhere. */
  input(bytes: Bytes): void
  /** Sends plaintext; only after `onSecure`. */
  write(bytes: Bytes): void
  /** RFC 5705 keying material without a context; only after `onSecure`. */
  exportKey(length: number, label: string): Bytes
  /** Forgets the session; no handler is called afterwards. */
  close(): void
}

/** Starts a session with what the composition knows: certificates, versions, checks. */
export type TlsEngineFactory = (handlers: TlsEngineHandlers) => TlsEngine
