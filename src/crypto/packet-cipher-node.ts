/** ChaCha20-Poly1305 over batches, packet by packet with node:crypto: the plain twin of the addon. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { set64le } from '../core/bytes.js'
import type { PacketBatch } from '../core/packet-batch.js'
import { type PacketCipher, TAG_SIZE } from '../core/packet-cipher.js'
import type { Bytes } from '../core/types.js'
import { checkCounter, checkKey, checkSlots, isCounter } from './packet-cipher-checks.js'

const ALGORITHM = 'chacha20-poly1305'
const OPTIONS = { authTagLength: TAG_SIZE } as const

export class NodePacketCipher implements PacketCipher {
  readonly #key: Bytes
  readonly #nonce = new Uint8Array(12)
  #destroyed = false

  constructor(key: Bytes) {
    checkKey(key)
    this.#key = Uint8Array.from(key)
  }

  seal(batch: PacketBatch, from: number, to: number, counter: number): void {
    checkSlots(batch, from, to, batch.capacity, this.#destroyed)
    checkCounter(counter, to - from)
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      const at = batch.offset[i] as number
      if (at < 0 || at + length + TAG_SIZE > batch.bytes.length) {
        batch.length[i] = -1
        continue
      }
      set64le(this.#nonce, 4, counter + (i - from))
      const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce, OPTIONS)
      batch.bytes.set(cipher.update(batch.bytes.subarray(at, at + length)), at)
      cipher.final()
      batch.bytes.set(cipher.getAuthTag(), at + length)
      batch.length[i] = length + TAG_SIZE
    }
  }

  open(batch: PacketBatch, from: number, to: number, counters: Float64Array): void {
    checkSlots(batch, from, to, Math.min(batch.capacity, counters.length), this.#destroyed)
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      const at = batch.offset[i] as number
      batch.length[i] = this.#openOne(batch.bytes, at, length, counters[i] as number)
    }
  }

  destroy(): void {
    this.#key.fill(0)
    this.#destroyed = true
  }

  #openOne(bytes: Bytes, at: number, length: number, counter: number): number {
    const plain = length - TAG_SIZE
    if (plain < 0 || at < 0 || at + length > bytes.length || !isCounter(counter)) return -1
    set64le(this.#nonce, 4, counter)
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#nonce, OPTIONS)
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
