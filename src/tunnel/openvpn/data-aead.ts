/** AEAD data packets: whole runs of a batch under one key (crypto/framed-aead has the framing). */
import type { PacketBatch } from '../../core/packet-batch.js'
import type { Bytes } from '../../core/types.js'
import {
  type AeadAlgorithm,
  createFrameOpener,
  createFrameSealer,
  FRAME_OVERHEAD,
  type FrameOpener,
  type FrameSealer,
} from '../../crypto/framed-aead.js'
import type { DataCipher } from './data-cipher.js'
import type { DataKeys } from './key-material.js'

export class AeadDataCipher implements DataCipher {
  readonly overhead = FRAME_OVERHEAD
  readonly #send: FrameSealer
  readonly #receive: FrameOpener

  constructor(algorithm: AeadAlgorithm, { send, receive }: DataKeys) {
    this.#send = createFrameSealer(algorithm, send.cipher, send.hmac)
    this.#receive = createFrameOpener(algorithm, receive.cipher, receive.hmac)
  }

  seal(batch: PacketBatch, from: number, to: number, header: Bytes, packetId: number): number {
    return this.#send.seal(batch, from, to, header, packetId)
  }

  open(batch: PacketBatch, from: number, to: number, size: number, ids: Float64Array): void {
    this.#receive.open(batch, from, to, size, ids)
  }

  destroy(): void {
    this.#send.destroy()
    this.#receive.destroy()
  }
}
