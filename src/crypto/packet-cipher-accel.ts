/** ChaCha20-Poly1305 over batches by the addon: one call a batch, no allocation. */
import type { PacketBatch } from '../core/packet-batch.js'
import type { PacketCipher } from '../core/packet-cipher.js'
import type { Bytes } from '../core/types.js'
import { type AccelCipher, CHACHA20_POLY1305, type Handle } from '../native/contract.js'

export class AccelPacketCipher implements PacketCipher {
  readonly #native: AccelCipher
  readonly #handle: Handle<'cipher'>

  constructor(native: AccelCipher, key: Bytes, algorithm = CHACHA20_POLY1305) {
    this.#native = native
    this.#handle = native.cipherNew(algorithm, key)
  }

  seal(batch: PacketBatch, from: number, to: number, counter: number): void {
    const { bytes, offset, length } = batch
    this.#native.cipherSeal(this.#handle, bytes, offset, length, from, to, counter)
  }

  open(batch: PacketBatch, from: number, to: number, counters: Float64Array): void {
    const { bytes, offset, length } = batch
    this.#native.cipherOpen(this.#handle, bytes, offset, length, from, to, counters)
  }

  destroy(): void {
    this.#native.cipherFree(this.#handle)
  }
}
