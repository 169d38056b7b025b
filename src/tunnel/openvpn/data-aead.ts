/**
 * AEAD data packets: header | packet id 4 | tag 16 | ciphertext. The nonce is the packet id and 8
 * bytes of the HMAC key; P_DATA_V2's header is authenticated with the packet id, P_DATA_V1's is not.
 */
import { set32, u32 } from '../../core/bytes.js'
import { HEADROOM, type PacketBatch } from '../../core/packet-batch.js'
import type { Bytes } from '../../core/types.js'
import { type AeadAlgorithm, PacketAead } from '../../crypto/packet-aead.js'
import type { DataCipher } from './data-cipher.js'
import type { DataKeys } from './key-material.js'

const ID_SIZE = 4
const TAG_SIZE = 16
const IMPLICIT_SIZE = 8
const V1_HEADER_SIZE = 1

export class AeadDataCipher implements DataCipher {
  readonly overhead = ID_SIZE + TAG_SIZE
  readonly #send: PacketAead
  readonly #receive: PacketAead
  readonly #sendNonce: Bytes
  readonly #receiveNonce: Bytes

  constructor(algorithm: AeadAlgorithm, keys: DataKeys) {
    this.#send = new PacketAead(algorithm, keys.send.cipher)
    this.#receive = new PacketAead(algorithm, keys.receive.cipher)
    this.#sendNonce = nonce(keys.send.hmac)
    this.#receiveNonce = nonce(keys.receive.hmac)
  }

  seal(batch: PacketBatch, i: number, header: Bytes, packetId: number): boolean {
    const { bytes } = batch
    const at = batch.offset[i] as number
    const length = batch.length[i] as number
    const start = at - TAG_SIZE - ID_SIZE - header.length
    if (start < 0 || HEADROOM < at - start) return false
    const idAt = start + header.length
    bytes.set(header, start)
    set32(bytes, idAt, packetId)
    set32(this.#sendNonce, 0, packetId)
    const additional = bytes.subarray(
      header.length === V1_HEADER_SIZE ? idAt : start,
      idAt + ID_SIZE,
    )
    this.#send.seal(bytes, at, length, idAt + ID_SIZE, this.#sendNonce, additional)
    batch.offset[i] = start
    batch.length[i] = at + length - start
    return true
  }

  open(batch: PacketBatch, i: number, headerSize: number): number {
    const { bytes } = batch
    const start = batch.offset[i] as number
    const idAt = start + headerSize
    const at = idAt + ID_SIZE + TAG_SIZE
    const length = start + (batch.length[i] as number) - at
    if (length < 1) return -1
    const packetId = u32(bytes, idAt)
    set32(this.#receiveNonce, 0, packetId)
    const additional = bytes.subarray(headerSize === V1_HEADER_SIZE ? idAt : start, idAt + ID_SIZE)
    const nonceBytes = this.#receiveNonce
    if (!this.#receive.open(bytes, at, length, idAt + ID_SIZE, nonceBytes, additional)) return -1
    batch.offset[i] = at
    batch.length[i] = length
    return packetId
  }
}

function nonce(implicit: Bytes): Bytes {
  const out = new Uint8Array(ID_SIZE + IMPLICIT_SIZE)
  out.set(implicit.subarray(0, IMPLICIT_SIZE), ID_SIZE)
  return out
}
