/** Authenticated encryption with associated data of single packets inside a batch's memory, with node:crypto. */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import type { Bytes } from '../core/types.js'

export type AeadAlgorithm = 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'

export const AEAD_KEY_SIZE: Readonly<Record<AeadAlgorithm, number>> = {
  'aes-128-gcm': 16,
  'aes-192-gcm': 24,
  'aes-256-gcm': 32,
  'chacha20-poly1305': 32,
}

const TAG_SIZE = 16
const OPTIONS = { authTagLength: TAG_SIZE } as const

/** One key in one direction. Nonces (12 bytes) and associated data are the caller's. */
export class PacketAead {
  // Node's types tell apart what its functions take alike.
  readonly #algorithm: 'chacha20-poly1305'
  readonly #key: KeyObject

  constructor(algorithm: AeadAlgorithm, key: Bytes) {
    this.#algorithm = algorithm as 'chacha20-poly1305'
    this.#key = createSecretKey(key.subarray(0, AEAD_KEY_SIZE[algorithm]))
  }

  /** Encrypts `length` bytes at `at` in place and writes the tag at `tagAt`. */
  seal(
    bytes: Bytes,
    at: number,
    length: number,
    tagAt: number,
    nonce: Bytes,
    additional: Bytes,
  ): void {
    const cipher = createCipheriv(this.#algorithm, this.#key, nonce, OPTIONS)
    cipher.setAAD(additional, { plaintextLength: length })
    bytes.set(cipher.update(bytes.subarray(at, at + length)), at)
    cipher.final()
    bytes.set(cipher.getAuthTag(), tagAt)
  }

  /** Decrypts in place. False when the tag is wrong: the bytes are not touched then. */
  open(
    bytes: Bytes,
    at: number,
    length: number,
    tagAt: number,
    nonce: Bytes,
    additional: Bytes,
  ): boolean {
    const decipher = createDecipheriv(this.#algorithm, this.#key, nonce, OPTIONS)
    decipher.setAAD(additional, { plaintextLength: length })
    decipher.setAuthTag(bytes.subarray(tagAt, tagAt + TAG_SIZE))
    const opened = decipher.update(bytes.subarray(at, at + length))
    try {
      decipher.final()
    } catch {
      return false
    }
    bytes.set(opened, at)
    return true
  }
}
