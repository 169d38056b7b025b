/** The host's UDP socket as the packet path sees it: whole batches in both directions. */
import type { PacketBatch } from './packet-batch.js'

export interface DatagramSocket {
  readonly localPort: number
  /**
   * Sends slots `from` … `count`-1 of the batch, each to its `address`, skipping lengths of 0, and
   * returns the index of the first slot that was not taken (`count` when all were). The bytes are
   * read before the call returns. When some were not taken the kernel's buffer is full: `onWritable` follows.
   */
  send(batch: PacketBatch, from: number): number
  /**
   * Received datagrams; the batch is borrowed for the call, and may be changed in place: each datagram
   * within its own bytes, as its neighbours may lie directly before and behind it (no headroom). Its
   * capacity is the socket's choice. `address` is a datagram's source; family 0 when it is not known, of a
   * socket that was opened so.
   */
  onBatch: (batch: PacketBatch) => void
  /** Called when datagrams have come, which are handed over right after: what waits to be sent can leave before them. */
  onArrival?: () => void
  /** Hand over fewer datagrams at once, as something else waits behind them. Default false; absent: there is one size only. */
  short?: boolean
  /** Hand over soon what comes: some of it is awaited by who carries little. Default false; absent: it always is. */
  prompt?: boolean
  onWritable: () => void
  /** Bytes that have arrived and wait in the kernel, its overhead included; absent where that can't be known. */
  readonly waiting?: number | undefined
  /** A failure of the socket as a whole (not of one datagram). */
  onError: (error: Error) => void
  close(): void
  /** After `close`: settles when what was sent last has left, or can't; absent: it has. */
  readonly flushed?: Promise<void> | undefined
}
