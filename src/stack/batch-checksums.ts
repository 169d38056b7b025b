/**
 * Checksums that are made or tested for a whole batch (core/packet-checksums.ts) and not packet by
 * packet. Going out, TCP leaves them open here and they are completed once the batch is full; coming in,
 * all packets are summed before the first is looked at.
 */
import type { PacketBatch } from '../core/packet-batch.js'
import { CHECKSUM_LEAST, type PacketChecksums } from '../core/packet-checksums.js'

/** No sum is known. */
export const NO_SUM = -1

export class BatchChecksums {
  readonly #checksums: PacketChecksums
  #open = new Int32Array(0)
  #any = false
  #sums = new Int32Array(0)

  constructor(checksums: PacketChecksums) {
    this.#checksums = checksums
  }

  /** Packets are going to be put into slots `from` … of the batch. */
  begin(batch: PacketBatch, from: number): void {
    if (this.#open.length < batch.capacity) this.#open = new Int32Array(batch.capacity)
    else if (this.#any) this.#open.fill(0, from)
    this.#any = false
  }

  /**
   * Leaves the checksum open that belongs `at` bytes into the packet in `slot`, and covers the bytes from
   * `start` on; the pseudo-header's sum stands there. False: a packet of `total` bytes is not worth it.
   */
  leave(slot: number, start: number, at: number, total: number): boolean {
    if (total < CHECKSUM_LEAST || slot >= this.#open.length) return false
    this.#open[slot] = start | (at << 16)
    this.#any = true
    return true
  }

  complete(batch: PacketBatch, from: number): void {
    if (this.#any) this.#checksums.complete(batch, this.#open, from)
  }

  /** Sums all packets of a batch that has come; for `sumOf`. False: none is worth it. */
  sum(batch: PacketBatch): boolean {
    if (!worth(batch)) return false
    if (this.#sums.length < batch.capacity) this.#sums = new Int32Array(batch.capacity)
    this.#checksums.sum(batch, this.#sums)
    return true
  }

  /** Of the packet in `slot`: folded, not complemented; or NO_SUM. */
  sumOf(slot: number): number {
    return this.#sums[slot] as number
  }
}

function worth(batch: PacketBatch): boolean {
  for (let i = 0; i < batch.count; i++) {
    if ((batch.length[i] as number) >= CHECKSUM_LEAST) return true
  }
  return false
}
