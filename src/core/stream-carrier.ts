/** The other way of a datagram socket: packets over one TCP connection, cut by the tunnel's framing. */
import type { PvpnError } from './errors.js'
import type { Bytes } from './types.js'

export interface StreamCarrier {
  /** Closes the connection before and begins one to this address (core/socket-address). From now on packets go over it; until it is open they are dropped. */
  connect(to: Bytes): void
  /** Closes; packets go as datagrams again. */
  disconnect(): void
  /** The connection is open. Comes later than `connect`. */
  onConnect: () => void
  /** The connection could not be made, or has ended without `disconnect`. */
  onClose: (error: PvpnError) => void
}

/** Finds the packets in a stream. */
export interface PacketSplitter {
  /** Hands on whole packets as views that hold during the call. False: the stream can't be followed any further. */
  push(chunk: Bytes, onPacket: (packet: Bytes) => void): boolean
}
