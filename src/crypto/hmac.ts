/** Keyed hashes, and the comparison of their results. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Bytes } from '../core/types.js'

export type HmacDigest = 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'

/** Bytes of each digest's result, and of the keys that OpenVPN takes for it. */
export const DIGEST_SIZE: Readonly<Record<HmacDigest, number>> = {
  md5: 16,
  sha1: 20,
  sha224: 28,
  sha256: 32,
  sha384: 48,
  sha512: 64,
}

/** HMAC (RFC 2104) over the parts, one behind the other. */
export function hmac(digest: HmacDigest, key: Bytes, ...parts: readonly Bytes[]): Bytes {
  const mac = createHmac(digest, key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

/** Compares in constant time; false when the lengths differ. */
export function sameTag(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
