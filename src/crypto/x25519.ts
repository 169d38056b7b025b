/** X25519 (RFC 7748) over 32-byte keys. */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'
import type { Bytes, Random } from '../core/types.js'

export const KEY_SIZE = 32

export interface KeyPair {
  readonly privateKey: Bytes
  readonly publicKey: Bytes
}

/** What stands before the raw key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410). */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')

/** A new pair; the private key is clamped as `wg genkey` does. */
export function generateKeyPair(random: Random): KeyPair {
  const privateKey = new Uint8Array(KEY_SIZE)
  random(privateKey)
  privateKey[0] = (privateKey[0] as number) & 248
  privateKey[31] = ((privateKey[31] as number) & 127) | 64
  return { privateKey, publicKey: publicKey(privateKey) }
}

/** The public key that belongs to a private one. */
export function publicKey(privateKey: Bytes): Bytes {
  const der = createPublicKey(privateKeyObject(privateKey)).export({ format: 'der', type: 'spki' })
  return Uint8Array.from(der.subarray(PUBLIC_PREFIX.length))
}

/** The shared secret; undefined when it is all zero, that is for a public key of low order (RFC 7748 section 6.1). */
export function sharedSecret(privateKey: Bytes, peersPublicKey: Bytes): Bytes | undefined {
  let secret: Buffer
  try {
    secret = diffieHellman({
      privateKey: privateKeyObject(privateKey),
      publicKey: publicKeyObject(peersPublicKey),
    })
  } catch {
    return undefined // OpenSSL refuses low order points by an error
  }
  const copy = Uint8Array.from(secret)
  secret.fill(0)
  return copy.every((byte) => byte === 0) ? undefined : copy
}

function privateKeyObject(key: Bytes): KeyObject {
  const der = Buffer.concat([PRIVATE_PREFIX, key])
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}

function publicKeyObject(key: Bytes): KeyObject {
  const der = Buffer.concat([PUBLIC_PREFIX, key])
  return createPublicKey({ key: der, format: 'der', type: 'spki' })
}
