/** ChaCha20-Poly1305 over batches, packet by packet with node:crypto: the plain twin of the addon. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { set64le } from '../core/bytes.js'
import type { PacketBatch } from '../core/packet-batch.js'
import type { PacketCipher } from '../core/packet-cipher.js'
import type { Bytes } from '../core/types.js'

const ALGORITHM = 'chacha20-poly1305'
const TAG = { authTagLength: 16 } as const

export function createPacketCipher(key: Bytes): PacketCipher {
  return new NodePacketCipher(key)
}

class NodePacketCipher implements PacketCipher {
  readonly #key: Bytes
  readonly #nonce = new Uint8Array(12)

  constructor(key: Bytes) {
    this.#key = Uint8Array.from(key)
  }

  seal(batch: PacketBatch, from: number, to: number, counter: number): void {
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      const at = batch.offset[i] as number
      set64le(this.#nonce, 4, counter + (i - from))
      const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce, TAG)
      batch.bytes.set(cipher.update(batch.bytes.subarray(at, at + length)), at)
      cipher.final()
      batch.bytes.set(cipher.getAuthTag(), at + length)
      batch.length[i] = length + 16
    }
  }

  open(batch: PacketBatch, from: number, to: number, counters: Float64Array): void {
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      batch.length[i] = this.#openOne(
        batch.bytes,
        batch.offset[i] as number,
        length,
        counters[i] as number,
      )
    }
  }

  destroy(): void {
    this.#key.fill(0)
  }

  #openOne(bytes: Bytes, at: number, length: number, counter: number): number {
    const plain = length - 16
    if (plain < 0) return -1
    set64le(this.#nonce, 4, counter)
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#nonce, TAG)
    decipher.setAuthTag(bytes.subarray(at + plain, at + length))
    const opened = decipher.update(bytes.subarray(at, at + plain))
    try {
      decipher.final()
    } catch {
      return -1
    }
    bytes.set(opened, at)
    return plain
  }
}
