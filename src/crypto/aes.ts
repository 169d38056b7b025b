/** AES in the modes that have no tag of their own; whoever uses them authenticates beside. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { Bytes } from '../core/types.js'

/** AES-256-CTR: the same for both directions. `key` is 32 bytes, `iv` 16. */
export function aes256Ctr(key: Bytes, iv: Bytes, bytes: Bytes): Bytes {
  return createCipheriv('aes-256-ctr', key, iv).update(bytes)
}

export type CbcAlgorithm = 'aes-128-cbc' | 'aes-192-cbc' | 'aes-256-cbc'

/** CBC with PKCS #7 padding: up to 16 bytes longer than what went in. */
export function cbcEncrypt(
  algorithm: CbcAlgorithm,
  key: Bytes,
  iv: Bytes,
  ...parts: readonly Bytes[]
): Bytes {
  const cipher = createCipheriv(algorithm, key, iv)
  return Buffer.concat([...parts.map((part) => cipher.update(part)), cipher.final()])
}

/** Undefined when the length or the padding is wrong. Only for what has been authenticated. */
export function cbcDecrypt(
  algorithm: CbcAlgorithm,
  key: Bytes,
  iv: Bytes,
  bytes: Bytes,
): Bytes | undefined {
  const decipher = createDecipheriv(algorithm, key, iv)
  try {
    return Buffer.concat([decipher.update(bytes), decipher.final()])
  } catch {
    return undefined
  }
}
