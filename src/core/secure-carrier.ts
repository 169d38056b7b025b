/**
 * TLS connections for a tunnel that speaks over TLS itself: first as streams of bytes (HTTP), then one
 * of them carries the packets. The carrier works beside the machine that uses it: its answers never
 * come during a call of the machine but later, in order.
 */
import type { PvpnError } from './errors.js'
import type { Bytes } from './types.js'

export interface SecureTarget {
  /** Who the certificate must name. */
  readonly host: string
  /** core/socket-address. */
  readonly address: Bytes
}

export interface SecureHandlers {
  /** TLS is there and the server's certificate has passed every check. */
  onSecure(): void
  /** What came; until `carry`. The bytes are the receiver's. */
  onBytes(bytes: Bytes): void
  /** The connection could not be made, or has ended without `close`; nothing follows. */
  onClose(error: PvpnError): void
}

export interface SecureConnection {
  /** Sends bytes; only after `onSecure`. */
  write(bytes: Bytes): void
  /**
   * From now on packets go and come over this connection, first those in `bytes`, which have come
   * already; called again with what `onBytes` brought meanwhile. `largest`: bytes of the largest packet
   * to be sent. A connection that carried before goes on receiving until it is closed.
   */
  carry(bytes: Bytes, largest: number): void
  /** Ends it, after what was written; no handler is called afterwards. Idempotent. */
  close(): void
}

export interface SecureCarrier {
  open(target: SecureTarget, handlers: SecureHandlers): SecureConnection
}
