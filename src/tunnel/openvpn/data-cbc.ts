/**
 * CBC data packets: header | HMAC | IV 16 | encrypted (packet id 4, payload). The HMAC covers IV and
 * ciphertext; the header is not authenticated.
 */
import { set32, u32 } from '../../core/bytes.js'
import type { PacketBatch } from '../../core/packet-batch.js'
import type { Bytes, Random } from '../../core/types.js'
import { type CbcAlgorithm, cbcDecrypt, cbcEncrypt } from '../../crypto/aes.js'
import { DIGEST_SIZE, hmac, sameTag } from '../../crypto/hmac.js'
import type { DataCipher } from './data-cipher.js'
import type { DataKeys, Digest } from './key-material.js'

const ID_SIZE = 4
const BLOCK = 16
const LAST_ID = 0xffffffff
const KEY_SIZE: Readonly<Record<CbcAlgorithm, number>> = {
  'aes-128-cbc': 16,
  'aes-192-cbc': 24,
  'aes-256-cbc': 32,
}

export class CbcDataCipher implements DataCipher {
  readonly overhead: number
  readonly #algorithm: CbcAlgorithm
  readonly #digest: Digest
  readonly #macSize: number
  readonly #keys: DataKeys
  readonly #random: Random
  readonly #iv = new Uint8Array(BLOCK)
  readonly #id = new Uint8Array(ID_SIZE)

  constructor(algorithm: CbcAlgorithm, digest: Digest, keys: DataKeys, random: Random) {
    this.#algorithm = algorithm
    this.#digest = digest
    this.#macSize = DIGEST_SIZE[digest]
    const cut = ({ cipher, hmac: mac }: DataKeys['send']) => ({
      cipher: cipher.slice(0, KEY_SIZE[algorithm]),
      hmac: mac.slice(0, this.#macSize),
    })
    this.#keys = { send: cut(keys.send), receive: cut(keys.receive) }
    this.#random = random
    this.overhead = this.#macSize + BLOCK + ID_SIZE + BLOCK
  }

  seal(batch: PacketBatch, from: number, to: number, header: Bytes, packetId: number): number {
    let id = packetId
    for (let i = from; i < to; i++) {
      if ((batch.length[i] as number) <= 0) continue
      const sealed = id <= LAST_ID && this.#sealOne(batch, i, header, id)
      if (sealed) id++
      else batch.length[i] = -1
    }
    return id
  }

  open(batch: PacketBatch, from: number, to: number, size: number, ids: Float64Array): void {
    for (let i = from; i < to; i++) {
      if ((batch.length[i] as number) <= 0) continue
      const id = this.#openOne(batch, i, size)
      if (id < 0) batch.length[i] = -1
      else ids[i] = id
    }
  }

  destroy(): void {
    for (const { cipher, hmac: mac } of [this.#keys.send, this.#keys.receive]) {
      cipher.fill(0)
      mac.fill(0)
    }
  }

  #sealOne(batch: PacketBatch, i: number, header: Bytes, packetId: number): boolean {
    const { bytes } = batch
    const at = batch.offset[i] as number
    const length = batch.length[i] as number
    const { cipher, hmac: mac } = this.#keys.send
    this.#random(this.#iv)
    set32(this.#id, 0, packetId)
    const sealed = cbcEncrypt(
      this.#algorithm,
      cipher,
      this.#iv,
      this.#id,
      bytes.subarray(at, at + length),
    )
    // The result is longer at both ends: it begins where the slot does.
    const start = i * batch.slotSize
    const total = header.length + this.#macSize + BLOCK + sealed.length
    if (total > batch.slotSize || start + total > bytes.length) return false
    bytes.set(header, start)
    const macAt = start + header.length
    bytes.set(hmac(this.#digest, mac, this.#iv, sealed), macAt)
    bytes.set(this.#iv, macAt + this.#macSize)
    bytes.set(sealed, macAt + this.#macSize + BLOCK)
    batch.offset[i] = start
    batch.length[i] = total
    return true
  }

  /** The packet id, -1 for a forgery. */
  #openOne(batch: PacketBatch, i: number, headerSize: number): number {
    const { bytes } = batch
    const macAt = (batch.offset[i] as number) + headerSize
    const ivAt = macAt + this.#macSize
    const end = (batch.offset[i] as number) + (batch.length[i] as number)
    const size = end - ivAt - BLOCK
    if (size < BLOCK || size % BLOCK !== 0) return -1
    const { cipher, hmac: mac } = this.#keys.receive
    const expected = hmac(this.#digest, mac, bytes.subarray(ivAt, end))
    if (!sameTag(expected, bytes.subarray(macAt, ivAt))) return -1
    const iv = bytes.subarray(ivAt, ivAt + BLOCK)
    const opened = cbcDecrypt(this.#algorithm, cipher, iv, bytes.subarray(ivAt + BLOCK, end))
    if (opened === undefined || opened.length <= ID_SIZE) return -1
    bytes.set(opened.subarray(ID_SIZE), ivAt)
    batch.offset[i] = ivAt
    batch.length[i] = opened.length - ID_SIZE
    return u32(opened, 0)
  }
}
