/** Checksums of batches by the addon. The twin is what the stack does without. */
import type { PacketBatch } from '../core/packet-batch.js'
import { CHECKSUM_LEAST, type PacketChecksums } from '../core/packet-checksums.js'
import { accel } from '../native/accel.js'
import type { AccelChecksums } from '../native/contract.js'

/** Undefined: no addon. */
export function packetChecksums(): PacketChecksums | undefined {
  const native = accel()?.checksums
  return native === undefined ? undefined : new AccelPacketChecksums(native)
}

class AccelPacketChecksums implements PacketChecksums {
  readonly #native: AccelChecksums

  constructor(native: AccelChecksums) {
    this.#native = native
  }

  sum({ bytes, offset, length, count }: PacketBatch, out: Int32Array): void {
    this.#native.checksumSum(bytes, offset, length, 0, count, CHECKSUM_LEAST, out)
  }

  complete({ bytes, offset, length, count }: PacketBatch, open: Int32Array, from: number): void {
    this.#native.checksumComplete(bytes, offset, length, from, count, open)
  }
}
