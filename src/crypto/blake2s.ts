/** BLAKE2s (RFC 7693) as WireGuard uses it: hash, HMAC and Noise's key derivation, and the keyed 16-byte MAC. */
import { createHash, createHmac } from 'node:crypto'
import { blake2s } from '@noble/hashes/blake2.js'
import { u8 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'

export const HASH_SIZE = 32
export const MAC_SIZE = 16

/** The 32-byte hash of the parts, joined. */
export function hash(...parts: readonly Bytes[]): Bytes {
  const state = createHash('blake2s256')
  for (const part of parts) state.update(part)
  return plainBytes(state.digest())
}

/** HMAC-BLAKE2s (RFC 2104) of the parts, joined: 32 bytes. */
export function hmac(key: Bytes, ...parts: readonly Bytes[]): Bytes {
  const state = createHmac('blake2s256', key)
  for (const part of parts) state.update(part)
  return plainBytes(state.digest())
}

/** Keyed BLAKE2s with 16 bytes of output (RFC 7693 section 2.9; not an HMAC). The key has at most 32 bytes. */
export function mac(key: Bytes, message: Bytes): Bytes {
  // node:crypto has no keyed mode and no shorter output.
  return blake2s(message, { key, dkLen: MAC_SIZE })
}

/** Is this the MAC of the message at `expected[at …]`? Takes the same time wherever it differs. */
export function macMatches(key: Bytes, message: Bytes, expected: Bytes, at: number): boolean {
  const computed = mac(key, message)
  let difference = 0
  for (let i = 0; i < MAC_SIZE; i++) difference |= u8(computed, i) ^ u8(expected, at + i)
  return difference === 0
}

/** Noise's HKDF (revision 34 section 4.3) with one output: the next chaining key. */
export function kdf1(chainingKey: Bytes, input: Bytes): Bytes {
  const secret = hmac(chainingKey, input)
  const first = hmac(secret, ONE)
  secret.fill(0)
  return first
}

/** As `kdf1`, with two outputs. */
export function kdf2(chainingKey: Bytes, input: Bytes): [Bytes, Bytes] {
  const secret = hmac(chainingKey, input)
  const first = hmac(secret, ONE)
  const second = hmac(secret, first, TWO)
  secret.fill(0)
  return [first, second]
}

/** As `kdf1`, with three outputs. */
export function kdf3(chainingKey: Bytes, input: Bytes): [Bytes, Bytes, Bytes] {
  const secret = hmac(chainingKey, input)
  const first = hmac(secret, ONE)
  const second = hmac(secret, first, TWO)
  const third = hmac(secret, second, THREE)
  secret.fill(0)
  return [first, second, third]
}

const ONE = Uint8Array.of(1)
const TWO = Uint8Array.of(2)
const THREE = Uint8Array.of(3)

/** A Buffer may be a piece of Node's shared pool; keys live in memory of their own. */
function plainBytes(buffer: Buffer): Bytes {
  return Uint8Array.from(buffer)
}
