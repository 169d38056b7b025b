/** The Internet checksum (RFC 1071), written for V8: wide words, folded late. */
import { u16 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'

/** Regions from this size on are summed by words where they lie aligned, in bytes. */
const WORDS_FROM = 128
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** The word view of the memory last summed, and of those before: batches are few and live long. */
let lastBuffer: ArrayBufferLike | undefined
let lastWords = new Uint32Array(0)
const views = new WeakMap<ArrayBufferLike, Uint32Array<ArrayBuffer>>()

function wordsOf(buffer: ArrayBufferLike): Uint32Array {
  if (buffer === lastBuffer) return lastWords
  let words = views.get(buffer)
  if (words === undefined) {
    words = new Uint32Array(buffer as ArrayBuffer, 0, buffer.byteLength >>> 2)
    views.set(buffer, words)
  }
  lastBuffer = buffer
  lastWords = words
  return words
}

/** Adds the 16-bit words of bytes[at … at+length) to `sum`; an odd last byte counts as its high half. The sum stays below 2^53 for any packet. */
export function checksumAdd(sum: number, bytes: Bytes, at: number, length: number): number {
  if (length < WORDS_FROM || ((bytes.byteOffset + at) & 3) !== 0 || !LITTLE_ENDIAN) {
    return checksumAddPlain(sum, bytes, at, length)
  }
  // The sum does not mind byte order (RFC 1071 section 2): words as they lie, then the result swapped.
  const words = wordsOf(bytes.buffer)
  const whole = length & ~3
  let i = (bytes.byteOffset + at) >>> 2
  const end = i + (whole >>> 2)
  let a = 0
  let b = 0
  for (; i + 8 <= end; i += 8) {
    a +=
      (words[i] as number) +
      (words[i + 1] as number) +
      ((words[i + 2] as number) + (words[i + 3] as number))
    b +=
      (words[i + 4] as number) +
      (words[i + 5] as number) +
      ((words[i + 6] as number) + (words[i + 7] as number))
  }
  for (; i < end; i++) a += words[i] as number
  const folded = ~checksumFold(a + b) & 0xffff
  const swapped = (folded >>> 8) | ((folded & 0xff) << 8)
  return checksumAddPlain(sum + swapped, bytes, at + whole, length - whole)
}

/** The same byte by byte: for short and unaligned regions, and as the twin to test against. */
export function checksumAddPlain(sum: number, bytes: Bytes, at: number, length: number): number {
  const end = at + (length & ~1)
  let i = at
  let s = 0
  for (; i + 8 <= end; i += 8) {
    s +=
      (((bytes[i] as number) +
        (bytes[i + 2] as number) +
        (bytes[i + 4] as number) +
        (bytes[i + 6] as number)) <<
        8) +
      (bytes[i + 1] as number) +
      (bytes[i + 3] as number) +
      (bytes[i + 5] as number) +
      (bytes[i + 7] as number)
  }
  for (; i < end; i += 2) s += u16(bytes, i)
  if (length & 1) s += (bytes[end] as number) << 8
  return sum + s
}

/** Folds a sum to the 16-bit one's complement that goes on the wire. */
export function checksumFold(sum: number): number {
  let s = sum
  while (s > 0xffff) s = (s % 65536) + Math.floor(s / 65536)
  return ~s & 0xffff
}

/** Checksum of one region. Over a region that holds a right checksum the result is 0. */
export function checksum(bytes: Bytes, at: number, length: number): number {
  return checksumFold(checksumAdd(0, bytes, at, length))
}

/** Sum of the IPv4/IPv6 pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1); `size` is 4 or 16. */
export function pseudoHeaderSum(
  bytes: Bytes,
  sourceAt: number,
  destinationAt: number,
  size: number,
  protocol: number,
  length: number,
): number {
  const sum = checksumAdd(0, bytes, sourceAt, size)
  return (
    checksumAdd(sum, bytes, destinationAt, size) + protocol + (length >>> 16) + (length & 0xffff)
  )
}
