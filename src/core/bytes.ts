/**
 * Reads and writes of integers in byte arrays. The only place where an index is trusted: callers
 * check the length of what they parse once, then use these.
 */
import type { Bytes } from './types.js'

export function u8(b: Bytes, at: number): number {
  return b[at] as number
}

/** Big-endian (network order). */
export function u16(b: Bytes, at: number): number {
  return ((b[at] as number) << 8) | (b[at + 1] as number)
}

/** Big-endian, as a signed 32-bit integer: the form sequence numbers are kept in (stays a small integer in V8). */
export function i32(b: Bytes, at: number): number {
  return (
    ((b[at] as number) << 24) |
    ((b[at + 1] as number) << 16) |
    ((b[at + 2] as number) << 8) |
    (b[at + 3] as number)
  )
}

/** Big-endian, 0 … 2^32-1. */
export function u32(b: Bytes, at: number): number {
  return i32(b, at) >>> 0
}

export function set8(b: Bytes, at: number, value: number): void {
  b[at] = value
}

export function set16(b: Bytes, at: number, value: number): void {
  b[at] = value >>> 8
  b[at + 1] = value
}

export function set32(b: Bytes, at: number, value: number): void {
  b[at] = value >>> 24
  b[at + 1] = value >>> 16
  b[at + 2] = value >>> 8
  b[at + 3] = value
}

/** Little-endian, 0 … 2^32-1. */
export function u32le(b: Bytes, at: number): number {
  return (
    (((b[at + 3] as number) << 24) |
      ((b[at + 2] as number) << 16) |
      ((b[at + 1] as number) << 8) |
      (b[at] as number)) >>>
    0
  )
}

export function set32le(b: Bytes, at: number, value: number): void {
  b[at] = value
  b[at + 1] = value >>> 8
  b[at + 2] = value >>> 16
  b[at + 3] = value >>> 24
}

/** Little-endian 64-bit; exact up to 2^53, larger values come out rounded (and above 2^53). */
export function u64le(b: Bytes, at: number): number {
  return u32le(b, at) + u32le(b, at + 4) * 4294967296
}

export function set64le(b: Bytes, at: number, value: number): void {
  set32le(b, at, value % 4294967296)
  set32le(b, at + 4, Math.floor(value / 4294967296))
}

export function equalBytes(a: Bytes, aAt: number, b: Bytes, bAt: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aAt + i] !== b[bAt + i]) return false
  return true
}
