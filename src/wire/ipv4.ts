/**
 * IPv4 header (RFC 791) in place.
 *
 *    0 version,IHL  1 DSCP,ECN  2 total length    4 identification   6 flags, fragment offset
 *    8 TTL          9 protocol 10 checksum       12 source          16 destination   20 options
 *
 * Accessors other than `ipv4Valid` trust that it returned true for the same bytes.
 */
import { set8, set16, u8, u16 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'
import { checksum } from './checksum.js'

export const IPV4_HEADER = 20
export const IPV4_SOURCE = 12
export const IPV4_DESTINATION = 16
export const IPV4_DONT_FRAGMENT = 0x4000
export const IPV4_MORE_FRAGMENTS = 0x2000

/** Header and total length fit the packet and the header checksum is right. */
export function ipv4Valid(b: Bytes, at: number, length: number): boolean {
  if (length < IPV4_HEADER || u8(b, at) >>> 4 !== 4) return false
  const header = ipv4HeaderLength(b, at)
  const total = u16(b, at + 2)
  return (
    header >= IPV4_HEADER && header <= total && total <= length && checksum(b, at, header) === 0
  )
}

export function ipv4HeaderLength(b: Bytes, at: number): number {
  return (u8(b, at) & 15) * 4
}
export function ipv4TotalLength(b: Bytes, at: number): number {
  return u16(b, at + 2)
}
export function ipv4Ecn(b: Bytes, at: number): number {
  return u8(b, at + 1) & 3
}
export function ipv4Identification(b: Bytes, at: number): number {
  return u16(b, at + 4)
}
export function ipv4DontFragment(b: Bytes, at: number): boolean {
  return (u16(b, at + 6) & IPV4_DONT_FRAGMENT) !== 0
}
export function ipv4MoreFragments(b: Bytes, at: number): boolean {
  return (u16(b, at + 6) & IPV4_MORE_FRAGMENTS) !== 0
}
/** In bytes. */
export function ipv4FragmentOffset(b: Bytes, at: number): number {
  return (u16(b, at + 6) & 0x1fff) * 8
}
export function ipv4Ttl(b: Bytes, at: number): number {
  return u8(b, at + 8)
}
export function ipv4Protocol(b: Bytes, at: number): number {
  return u8(b, at + 9)
}

/**
 * Writes a 20-byte header, checksum included. `source` and `destination` hold the four bytes at the
 * given index. `flags` is the 16-bit flags and fragment-offset field.
 */
export function writeIpv4(
  b: Bytes,
  at: number,
  source: Bytes,
  destination: Bytes,
  protocol: number,
  totalLength: number,
  identification: number,
  flags: number,
  ttl = 64,
  trafficClass = 0,
): void {
  set8(b, at, 0x45)
  set8(b, at + 1, trafficClass)
  set16(b, at + 2, totalLength)
  set16(b, at + 4, identification)
  set16(b, at + 6, flags)
  set8(b, at + 8, ttl)
  set8(b, at + 9, protocol)
  set16(b, at + 10, 0)
  for (let i = 0; i < 4; i++) {
    set8(b, at + IPV4_SOURCE + i, u8(source, i))
    set8(b, at + IPV4_DESTINATION + i, u8(destination, i))
  }
  set16(b, at + 10, checksum(b, at, IPV4_HEADER))
}
