/** Authenticated encryption of single messages (handshakes, keepalives); batches of packets have packet-cipher.ts. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { set64le } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'

export const TAG_SIZE = 16
export const XNONCE_SIZE = 24

const ALGORITHM = 'chacha20-poly1305'
const TAG = { authTagLength: TAG_SIZE } as const

/** ChaCha20-Poly1305 (RFC 8439) with a 12-byte nonce: ciphertext and tag. */
export function seal(key: Bytes, nonce: Bytes, plaintext: Bytes, additional: Bytes): Bytes {
  const cipher = createCipheriv(ALGORITHM, key, nonce, TAG)
  cipher.setAAD(additional, { plaintextLength: plaintext.length })
  const out = new Uint8Array(plaintext.length + TAG_SIZE)
  out.set(cipher.update(plaintext), 0)
  cipher.final()
  out.set(cipher.getAuthTag(), plaintext.length)
  return out
}

/** The plaintext, or undefined when the tag is wrong or missing. */
export function open(
  key: Bytes,
  nonce: Bytes,
  sealed: Bytes,
  additional: Bytes,
): Bytes | undefined {
  const length = sealed.length - TAG_SIZE
  if (length < 0) return undefined
  const decipher = createDecipheriv(ALGORITHM, key, nonce, TAG)
  decipher.setAAD(additional, { plaintextLength: length })
  decipher.setAuthTag(sealed.subarray(length))
  const opened = Uint8Array.from(decipher.update(sealed.subarray(0, length)))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return opened
}

/** The nonce of Noise and WireGuard: four zero bytes and the counter, little-endian. */
export function counterNonce(counter: number): Bytes {
  const nonce = new Uint8Array(12)
  set64le(nonce, 4, counter)
  return nonce
}

/** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a 24-byte nonce: ciphertext and tag. */
export function xseal(key: Bytes, nonce: Bytes, plaintext: Bytes, additional: Bytes): Bytes {
  return xchacha20poly1305(key, nonce, additional).encrypt(plaintext)
}

/** The plaintext, or undefined when the tag is wrong or missing. */
export function xopen(
  key: Bytes,
  nonce: Bytes,
  sealed: Bytes,
  additional: Bytes,
): Bytes | undefined {
  if (sealed.length < TAG_SIZE) return undefined
  try {
    return xchacha20poly1305(key, nonce, additional).decrypt(sealed)
  } catch {
    return undefined
  }
}
