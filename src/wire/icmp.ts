/**
 * ICMP (RFC 792) and ICMPv6 (RFC 4443) messages in place.
 *
 *    0 type   1 code   2 checksum   4 rest of header (identifier, sequence; or MTU)   8 data
 */
import { set8, set16, u8, u16, u32 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'
import { checksum, checksumAdd, checksumFold, pseudoHeaderSum } from './checksum.js'
import { PROTOCOL_ICMPV6 } from './ip.js'

export const ICMP_HEADER = 8

export const ICMP_ECHO_REPLY = 0
export const ICMP_UNREACHABLE = 3
export const ICMP_ECHO = 8
export const ICMP_TIME_EXCEEDED = 11
export const ICMP_PARAMETER_PROBLEM = 12
/** Codes of ICMP_UNREACHABLE. */
export const ICMP_UNREACHABLE_PORT = 3
export const ICMP_FRAGMENTATION_NEEDED = 4

export const ICMPV6_UNREACHABLE = 1
export const ICMPV6_PACKET_TOO_BIG = 2
export const ICMPV6_TIME_EXCEEDED = 3
export const ICMPV6_PARAMETER_PROBLEM = 4
export const ICMPV6_ECHO = 128
export const ICMPV6_ECHO_REPLY = 129
/** Codes of ICMPV6_UNREACHABLE. */
export const ICMPV6_UNREACHABLE_PORT = 4

export function icmpType(b: Bytes, at: number): number {
  return u8(b, at)
}
export function icmpCode(b: Bytes, at: number): number {
  return u8(b, at + 1)
}
export function icmpIdentifier(b: Bytes, at: number): number {
  return u16(b, at + 4)
}
export function icmpSequence(b: Bytes, at: number): number {
  return u16(b, at + 6)
}
/** Next-hop MTU of "fragmentation needed" (RFC 1191): 16 bits; 0 from routers that don't tell. */
export function icmpNextHopMtu(b: Bytes, at: number): number {
  return u16(b, at + 6)
}
/** MTU of ICMPv6 "packet too big": 32 bits. */
export function icmpv6Mtu(b: Bytes, at: number): number {
  return u32(b, at + 4)
}

export function icmpValid(b: Bytes, at: number, length: number): boolean {
  return length >= ICMP_HEADER && checksum(b, at, length) === 0
}

/** `source` and `destination`: where the IPv6 addresses stand in the same bytes. */
export function icmpv6Valid(
  b: Bytes,
  at: number,
  length: number,
  source: number,
  destination: number,
): boolean {
  if (length < ICMP_HEADER) return false
  const sum = pseudoHeaderSum(b, source, destination, 16, PROTOCOL_ICMPV6, length)
  return checksumFold(checksumAdd(sum, b, at, length)) === 0
}

/** Writes type, code and checksum of a message whose other bytes are in place. */
export function finishIcmp(b: Bytes, at: number, length: number, type: number, code: number): void {
  set8(b, at, type)
  set8(b, at + 1, code)
  set16(b, at + 2, 0)
  set16(b, at + 2, checksum(b, at, length))
}

/** The same for ICMPv6, whose checksum covers the addresses. */
export function finishIcmpv6(
  b: Bytes,
  at: number,
  length: number,
  type: number,
  code: number,
  source: number,
  destination: number,
): void {
  set8(b, at, type)
  set8(b, at + 1, code)
  set16(b, at + 2, 0)
  const sum = pseudoHeaderSum(b, source, destination, 16, PROTOCOL_ICMPV6, length)
  set16(b, at + 2, checksumFold(checksumAdd(sum, b, at, length)))
}
