/**
 * Authenticated encryption of batches in OpenVPN's framing: header | packet id 4 | tag 16 | ciphertext.
 * The nonce is the packet id and 8 bytes of the key's own. A header of 4 bytes is authenticated with
 * the packet id, one of 1 byte is not. By the addon, else by node:crypto packet by packet.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { set32, u32 } from '../core/bytes.js'
import type { PacketBatch } from '../core/packet-batch.js'
import type { Bytes } from '../core/types.js'
import { accel } from '../native/accel.js'
import { type AccelFramed, FRAMED_ALGORITHMS, type Handle } from '../native/contract.js'

export type AeadAlgorithm = keyof typeof FRAMED_ALGORITHMS

export const AEAD_KEY_SIZE: Readonly<Record<AeadAlgorithm, number>> = {
  'aes-128-gcm': 16,
  'aes-192-gcm': 24,
  'aes-256-gcm': 32,
  'chacha20-poly1305': 32,
}

const TAG_SIZE = 16
const ID_SIZE = 4
const IMPLICIT_SIZE = 8
const LONG_HEADER = 4
const LAST_ID = 0xffffffff
/** Bytes in front of the ciphertext behind the header. */
export const FRAME_OVERHEAD = ID_SIZE + TAG_SIZE

export interface FrameSealer {
  /**
   * Seals slots `from` … `to`-1 in place behind `header` (1 or 4 bytes), with packet ids from
   * `packetId` on; offset and length then span the datagram. Slots of length 0 or less are skipped
   * and take no id. One without room for what stands in front, or behind the last id (2^32 - 1), gets
   * length -1. Returns the next packet id.
   */
  seal(batch: PacketBatch, from: number, to: number, header: Bytes, packetId: number): number
  /** Forgets the key; nothing may be called afterwards. */
  destroy(): void
}

export interface FrameOpener {
  /**
   * Opens slots `from` … `to`-1 in place, behind headers of `headerSize` (1 or 4) bytes: offset and
   * length then span the plaintext, and `packetIds[i]` is slot i's id. A forgery, what is too short or
   * empty, and a slot outside `bytes` get length -1.
   */
  open(
    batch: PacketBatch,
    from: number,
    to: number,
    headerSize: number,
    packetIds: Float64Array,
  ): void
  destroy(): void
}

/** `key` may be longer than the algorithm's; it is copied, as is `implicit`. */
export function createFrameSealer(
  algorithm: AeadAlgorithm,
  key: Bytes,
  implicit: Bytes,
): FrameSealer {
  const native = accel()?.framed
  const own = key.subarray(0, AEAD_KEY_SIZE[algorithm])
  const nonce = implicit.subarray(0, IMPLICIT_SIZE)
  return native === undefined
    ? new NodeFrames(algorithm, own, nonce)
    : new AccelFrames(native, native.framedNew(FRAMED_ALGORITHMS[algorithm], own, nonce, true))
}

/** As `createFrameSealer`. */
export function createFrameOpener(
  algorithm: AeadAlgorithm,
  key: Bytes,
  implicit: Bytes,
): FrameOpener {
  const native = accel()?.framed
  const own = key.subarray(0, AEAD_KEY_SIZE[algorithm])
  const nonce = implicit.subarray(0, IMPLICIT_SIZE)
  return native === undefined
    ? new NodeFrames(algorithm, own, nonce)
    : new AccelFrames(native, native.framedNew(FRAMED_ALGORITHMS[algorithm], own, nonce, false))
}

class AccelFrames implements FrameSealer, FrameOpener {
  readonly #native: AccelFramed
  readonly #handle: Handle<'framed'>

  constructor(native: AccelFramed, handle: Handle<'framed'>) {
    this.#native = native
    this.#handle = handle
  }

  seal(batch: PacketBatch, from: number, to: number, header: Bytes, packetId: number): number {
    const { bytes, offset, length } = batch
    return this.#native.framedSeal(this.#handle, bytes, offset, length, from, to, header, packetId)
  }

  open(batch: PacketBatch, from: number, to: number, size: number, ids: Float64Array): void {
    const { bytes, offset, length } = batch
    this.#native.framedOpen(this.#handle, bytes, offset, length, from, to, size, ids)
  }

  destroy(): void {
    this.#native.framedFree(this.#handle)
  }
}

const OPTIONS = { authTagLength: TAG_SIZE } as const

/** The plain twin. */
export class NodeFrames implements FrameSealer, FrameOpener {
  // Node's types tell apart what its functions take alike.
  readonly #algorithm: 'chacha20-poly1305'
  readonly #key: KeyObject
  readonly #nonce = new Uint8Array(ID_SIZE + IMPLICIT_SIZE)

  constructor(algorithm: AeadAlgorithm, key: Bytes, implicit: Bytes) {
    this.#algorithm = algorithm as 'chacha20-poly1305'
    this.#key = createSecretKey(key)
    this.#nonce.set(implicit, ID_SIZE)
  }

  seal(batch: PacketBatch, from: number, to: number, header: Bytes, packetId: number): number {
    const { bytes } = batch
    const before = header.length + FRAME_OVERHEAD
    let id = packetId
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      const at = batch.offset[i] as number
      const start = at - before
      if (start < 0 || at + length > bytes.length || id > LAST_ID) {
        batch.length[i] = -1
        continue
      }
      const idAt = start + header.length
      bytes.set(header, start)
      set32(bytes, idAt, id)
      set32(this.#nonce, 0, id++)
      const cipher = createCipheriv(this.#algorithm, this.#key, this.#nonce, OPTIONS)
      const additional = bytes.subarray(
        header.length === LONG_HEADER ? start : idAt,
        idAt + ID_SIZE,
      )
      cipher.setAAD(additional, { plaintextLength: length })
      bytes.set(cipher.update(bytes.subarray(at, at + length)), at)
      cipher.final()
      bytes.set(cipher.getAuthTag(), idAt + ID_SIZE)
      batch.offset[i] = start
      batch.length[i] = length + before
    }
    return id
  }

  open(batch: PacketBatch, from: number, to: number, size: number, ids: Float64Array): void {
    for (let i = from; i < to; i++) {
      if ((batch.length[i] as number) <= 0) continue
      const plain = this.#openOne(batch, i, size)
      if (plain >= 0) {
        const start = batch.offset[i] as number
        ids[i] = u32(batch.bytes, start + size)
        batch.offset[i] = start + size + FRAME_OVERHEAD
      }
      batch.length[i] = plain
    }
  }

  destroy(): void {
    this.#nonce.fill(0)
  }

  #openOne(batch: PacketBatch, i: number, size: number): number {
    const { bytes } = batch
    const start = batch.offset[i] as number
    const idAt = start + size
    const at = idAt + FRAME_OVERHEAD
    const end = start + (batch.length[i] as number)
    if (end <= at || start < 0 || end > bytes.length) return -1
    this.#nonce.set(bytes.subarray(idAt, idAt + ID_SIZE), 0)
    const decipher = createDecipheriv(this.#algorithm, this.#key, this.#nonce, OPTIONS)
    const additional = bytes.subarray(size === LONG_HEADER ? start : idAt, idAt + ID_SIZE)
    decipher.setAAD(additional, { plaintextLength: end - at })
    decipher.setAuthTag(bytes.subarray(idAt + ID_SIZE, at))
    const opened = decipher.update(bytes.subarray(at, end))
    try {
      decipher.final()
    } catch {
      return -1
    }
    bytes.set(opened, at)
    return end - at
  }
}
