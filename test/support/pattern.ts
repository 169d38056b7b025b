/** Bytes that are different at every place of a transfer and cost nothing to make: for comparing what arrived. */
import { createHash } from 'node:crypto'

const BLOCK = 64 * 1024

/** `length` bytes of the pattern from position `at` (a multiple of 64 KiB). */
export function pattern(at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length, `block ${at / BLOCK} `)
  return bytes
}

/** MD5 of the pattern's first `length` bytes, as hex. */
export function patternMd5(length: number): string {
  const hash = createHash('md5')
  for (let at = 0; at < length; at += BLOCK) hash.update(pattern(at, Math.min(BLOCK, length - at)))
  return hash.digest('hex')
}
