/**
 * A connection of the host as listeners and relays use it: no stream's machinery, no events that several
 * may listen to. Two twins: `HubSocket`, by the addon, and `HostSocket`, over node:net.
 */
import type { Socket } from 'node:net'
import type { Bytes } from '../core/types.js'

export interface LeanSocket {
  /** As node:net names them; undefined on a Unix socket. */
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  /** -1 once it is closed. */
  readonly descriptor: number
  /** Bytes that were handed on by `onData`. */
  readonly bytesRead: number
  /** Bytes that were taken to be sent, what waits included. */
  readonly bytesWritten: number
  /** The far side has ended its direction, and everything was read. Before `onEnd` it may turn out to be a reset yet. */
  readonly ended: boolean
  /** `end` was called. */
  readonly ending: boolean
  /** Closed, by us or for a failure; `onClose` has been called or will be. */
  readonly closed: boolean

  /** The bytes are the handler's. */
  onData: (bytes: Bytes) => void
  /** The far side has ended its direction. A reset is none: it closes. */
  onEnd: () => void
  /** Everything that waited was sent. */
  onDrain: () => void
  /** Last, and once; never from inside a method. `failed`: it was not closed in peace. */
  onClose: (failed: boolean) => void
  /** The same, for the owner, whoever uses the connection at that moment. */
  onGone: () => void

  /**
   * It begins paused. Nothing is read from the kernel while it is, but for what Node reads ahead. With the
   * addon a reset closes it all the same, and what came before and was not read is gone; Node tells at `resume`.
   */
  resume(): void
  pause(): void
  readonly paused: boolean
  /**
   * Always takes all. False: part of it waits, and `onDrain` follows. What waits must not be changed; of what was
   * taken with true, and at `onDrain` of all, nothing is referred to any more.
   */
  write(bytes: Bytes): boolean
  /** Ends our direction once everything was sent. When the far side has ended too that closes. */
  end(lastWord?: Bytes): void
  /** Closes at once, so that the far side sees a reset and never takes it for an end (but on a Unix socket, which knows none). */
  reset(): void
  /** Closes at once. */
  destroy(): void
  /**
   * As a socket of Node, for what insists on one; paused, and nothing that was handed on comes again.
   * What is to be used from here on instead of this one is `lean`: while `node` is in use, its
   * handlers for data and end are not called, until it is resumed. ERR_ABORTED when it is closed.
   */
  promote(): { readonly node: Socket; readonly lean: LeanSocket }
  /**
   * For another process. What was read already comes by `onData` within this call; from here on no byte
   * leaves the kernel, and the socket is the caller's.
   */
  give(): Socket
}

export function ignore(): void {}
