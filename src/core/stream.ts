/**
 * A byte stream inside an environment (a TCP connection of the stack, of the host, or a channel of a
 * stream tunnel). Pull for reading, so that an unread stream closes the receive window; counted
 * writes, so that a full send buffer pushes back.
 */
import type { PvpnError } from './errors.js'
import type { Bytes, Endpoint } from './types.js'

export interface ByteStream {
  readonly local: Endpoint
  readonly remote: Endpoint
  /**
   * Takes bytes to send and returns how many it took; fewer than given means: call again with the
   * rest after `onWritable`. Taken bytes may be kept by reference: the caller must not change them.
   * 0 after end(), abort() or close.
   */
  write(bytes: Bytes): number
  /** Takes everything that has arrived in order, or undefined when there is nothing now. The result is the caller's. */
  read(): Bytes | undefined
  /** The far side has ended its direction (FIN) and everything was read. */
  readonly ended: boolean
  /** Ends our direction after what was written (FIN). Idempotent. */
  end(): void
  /** Resets the connection at once (RST). Idempotent. `onClose` is not called for it. */
  abort(): void
  /** Something to read, or `ended` became true. Never called from inside a method of the stream. */
  onReadable: () => void
  /** Room to write again after a short write. Never called from inside a method of the stream. */
  onWritable: () => void
  /**
   * Called once, last: both directions done (no error), or the connection failed. What was not read may
   * still be read. A close that comes while this is `unattended` waits for the handler that is set next.
   */
  onClose: (error?: PvpnError) => void
}

/** The `onClose` of a stream on its way from who opened it to who will use it. */
export function unattended(): void {}

/** Datagrams inside an environment: one local port, any remote. */
export interface DatagramPort {
  readonly local: Endpoint
  /**
   * False: dropped (no route, full queue, too big). `to.address` is an IP literal. `from`, an address
   * of ours, makes an answer leave by the address that was asked; other than ours it is ignored.
   */
  send(to: Endpoint, bytes: Bytes, from?: string): boolean
  close(): void
  /** `bytes` are borrowed for the call; `local` is the address of ours that they came to, where that is known. */
  onMessage: (from: Endpoint, bytes: Bytes, local?: string) => void
  /** An ICMP error came back for a datagram that was sent to `to`. */
  onError: (to: Endpoint, error: PvpnError) => void
}

/** Accepts connections that come from inside. */
export interface StreamListener {
  readonly local: Endpoint
  close(): void
  onConnection: (stream: ByteStream) => void
}
