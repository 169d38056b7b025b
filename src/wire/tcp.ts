/**
 * TCP header (RFC 9293 section 3.1) in place.
 *
 *    0 source port   2 destination port   4 sequence   8 acknowledgment
 *   12 data offset  13 flags             14 window    16 checksum  18 urgent  20 options
 *
 * Accessors other than `tcpHeaderValid` trust that it returned true for the same bytes.
 */
import { i32, set8, set16, set32, u8, u16 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'
import { checksum, checksumAdd, checksumFold, pseudoHeaderSum } from './checksum.js'
import { PROTOCOL_TCP } from './ip.js'

export const TCP_HEADER = 20
/** Where the checksum stands. */
export const TCP_CHECKSUM = 16
/** Largest header: a data offset of 15 words. */
export const TCP_HEADER_LARGEST = 60

export const TCP_FIN = 1
export const TCP_SYN = 2
export const TCP_RST = 4
export const TCP_PSH = 8
export const TCP_ACK = 16
export const TCP_URG = 32

/** The fixed header and its options fit the segment. */
export function tcpHeaderValid(b: Bytes, at: number, length: number): boolean {
  if (length < TCP_HEADER) return false
  const header = tcpHeaderLength(b, at)
  return header >= TCP_HEADER && header <= length
}

/** Both ports as one 32-bit word, source in the high half. */
export function tcpPorts(b: Bytes, at: number): number {
  return i32(b, at)
}
export function tcpSourcePort(b: Bytes, at: number): number {
  return u16(b, at)
}
export function tcpDestinationPort(b: Bytes, at: number): number {
  return u16(b, at + 2)
}
export function tcpSequence(b: Bytes, at: number): number {
  return i32(b, at + 4)
}
export function tcpAcknowledgment(b: Bytes, at: number): number {
  return i32(b, at + 8)
}
export function tcpHeaderLength(b: Bytes, at: number): number {
  return (u8(b, at + 12) >>> 4) * 4
}
export function tcpFlags(b: Bytes, at: number): number {
  return u8(b, at + 13)
}
/** As it stands in the header, not scaled. */
export function tcpWindow(b: Bytes, at: number): number {
  return u16(b, at + 14)
}

/** Writes the fixed header with checksum 0; `sealTcp` fills it when options and data are in place. */
export function writeTcp(
  b: Bytes,
  at: number,
  sourcePort: number,
  destinationPort: number,
  sequence: number,
  acknowledgment: number,
  headerLength: number,
  flags: number,
  window: number,
): void {
  set16(b, at, sourcePort)
  set16(b, at + 2, destinationPort)
  set32(b, at + 4, sequence)
  set32(b, at + 8, acknowledgment)
  set8(b, at + 12, headerLength << 2)
  set8(b, at + 13, flags)
  set16(b, at + 14, window)
  set32(b, at + 16, 0)
}

/** Fills the checksum of a segment whose field is 0; addresses of `size` bytes (4 or 16) stand at `addressesAt`, source first. */
export function sealTcp(
  b: Bytes,
  addressesAt: number,
  size: number,
  at: number,
  length: number,
): void {
  set16(b, at + TCP_CHECKSUM, tcpChecksum(b, addressesAt, size, at, length))
}

/** The pseudo-header's sum into the checksum's field, for who completes it (core/packet-checksums.ts). */
export function openTcp(
  b: Bytes,
  addressesAt: number,
  size: number,
  at: number,
  length: number,
): void {
  const sum = pseudoHeaderSum(b, addressesAt, addressesAt + size, size, PROTOCOL_TCP, length)
  set16(b, at + TCP_CHECKSUM, ~checksumFold(sum))
}

/**
 * Is the checksum right, going by the sum of the whole IP packet (folded, not complemented)? False also
 * when that sum holds more than the packet: then `tcpChecksum` tells. The segment follows the fixed
 * IPv6 header, or the IPv4 header, which is valid and so adds nothing to the sum.
 */
export function tcpSummed(
  b: Bytes,
  ipAt: number,
  addressesAt: number,
  size: number,
  length: number,
  packetSum: number,
): boolean {
  const sum = pseudoHeaderSum(b, addressesAt, addressesAt + size, size, PROTOCOL_TCP, length)
  const header = size === 4 ? 0 : checksum(b, ipAt, addressesAt + 2 * size - ipAt)
  return checksumFold(sum + packetSum + header) === 0
}

/** 0 when the checksum in the segment is right. */
export function tcpChecksum(
  b: Bytes,
  addressesAt: number,
  size: number,
  at: number,
  length: number,
): number {
  const sum = pseudoHeaderSum(b, addressesAt, addressesAt + size, size, PROTOCOL_TCP, length)
  return checksumFold(checksumAdd(sum, b, at, length))
}
