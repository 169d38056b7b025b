/** The pseudo-random function of TLS 1.0 and 1.1 (RFC 2246 section 5): MD5 and SHA-1, exclusive-ored. */
import type { Bytes } from '../core/types.js'
import { type HmacDigest, hmac } from './hmac.js'

/** `length` bytes of PRF(secret, label, seed). */
export function tls1Prf(secret: Bytes, label: string, seed: Bytes, length: number): Bytes {
  const labelled = new Uint8Array(label.length + seed.length)
  for (let i = 0; i < label.length; i++) labelled[i] = label.charCodeAt(i)
  labelled.set(seed, label.length)
  // The halves share the middle byte of a secret of odd length.
  const half = Math.ceil(secret.length / 2)
  const out = new Uint8Array(length)
  expand('md5', secret.subarray(0, half), labelled, out)
  expand('sha1', secret.subarray(secret.length - half), labelled, out)
  return out
}

/** P_hash, exclusive-ored into `out`. */
function expand(digest: HmacDigest, secret: Bytes, seed: Bytes, out: Bytes): void {
  let a = hmac(digest, secret, seed)
  for (let at = 0; at < out.length; ) {
    const block = hmac(digest, secret, a, seed)
    for (let i = 0; i < block.length && at < out.length; i++, at++) {
      out[at] = (out[at] as number) ^ (block[i] as number)
    }
    a = hmac(digest, secret, a)
  }
}
