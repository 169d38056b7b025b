/**
 * IPv6 header (RFC 8200) in place.
 *
 *    0 version, class, flow label   4 payload length   6 next header   7 hop limit
 *    8 source                      24 destination     40 payload or extension headers
 *
 * Accessors other than `ipv6Valid` trust that it returned true for the same bytes.
 */
import { set8, set16, u8, u16 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'

export const IPV6_HEADER = 40
export const IPV6_SOURCE = 8
export const IPV6_DESTINATION = 24

/** The header is whole and the payload length fits the packet. */
export function ipv6Valid(b: Bytes, at: number, length: number): boolean {
  return length >= IPV6_HEADER && u8(b, at) >>> 4 === 6 && IPV6_HEADER + u16(b, at + 4) <= length
}

export function ipv6PayloadLength(b: Bytes, at: number): number {
  return u16(b, at + 4)
}
export function ipv6NextHeader(b: Bytes, at: number): number {
  return u8(b, at + 6)
}
export function ipv6HopLimit(b: Bytes, at: number): number {
  return u8(b, at + 7)
}
export function ipv6Ecn(b: Bytes, at: number): number {
  return (u8(b, at + 1) >>> 4) & 3
}

/** Writes a 40-byte header. `flowLabel` is 20 bits. */
export function writeIpv6(
  b: Bytes,
  at: number,
  source: Bytes,
  destination: Bytes,
  nextHeader: number,
  payloadLength: number,
  flowLabel = 0,
  hopLimit = 64,
  trafficClass = 0,
): void {
  set8(b, at, 0x60 | (trafficClass >>> 4))
  set8(b, at + 1, ((trafficClass & 15) << 4) | (flowLabel >>> 16))
  set16(b, at + 2, flowLabel & 0xffff)
  set16(b, at + 4, payloadLength)
  set8(b, at + 6, nextHeader)
  set8(b, at + 7, hopLimit)
  b.set(source, at + IPV6_SOURCE)
  b.set(destination, at + IPV6_DESTINATION)
}
