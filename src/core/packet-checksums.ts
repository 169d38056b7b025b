/** Internet checksums (RFC 1071) of whole batches at once, where something can do that faster than the stack itself: the addon. */
import type { PacketBatch } from './packet-batch.js'

/** Packets from this size on are worth it, in bytes. */
export const CHECKSUM_LEAST = 128

export interface PacketChecksums {
  /**
   * Sums the 16-bit words of packets: out[i] is the sum of slot i, folded to 16 bits and not
   * complemented; -1 where the packet is shorter than CHECKSUM_LEAST or leaves the batch's memory.
   * Throws when `out` is shorter than the batch's count.
   */
  sum(batch: PacketBatch, out: Int32Array): void
  /**
   * Completes checksums of slots `from` … `count`-1. open[i] is 0, or `start | at << 16`: the checksum of
   * the bytes from `start` to the packet's end belongs at `at`, where what else is to be summed (the
   * pseudo-header's folded sum) stands now. What does not fit its packet is left alone. Throws when
   * `open` is shorter than the batch's count.
   */
  complete(batch: PacketBatch, open: Int32Array, from: number): void
}
