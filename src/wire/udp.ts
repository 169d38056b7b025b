/**
 * UDP header (RFC 768) in place.
 *
 *    0 source port   2 destination port   4 length (header included)   6 checksum   8 data
 */
import { set16, u16 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'
import { checksumAdd, checksumFold, pseudoHeaderSum } from './checksum.js'
import { PROTOCOL_UDP } from './ip.js'

export const UDP_HEADER = 8
/** Largest payload: what a 16-bit length leaves behind both headers of IPv4. */
export const UDP_MAXIMUM_PAYLOAD = 65_507

export function udpSourcePort(b: Bytes, at: number): number {
  return u16(b, at)
}
export function udpDestinationPort(b: Bytes, at: number): number {
  return u16(b, at + 2)
}
/** Header and data, in bytes; at most what `udpValid` was given. */
export function udpLength(b: Bytes, at: number): number {
  return u16(b, at + 4)
}

/**
 * The length fits and the checksum is right. An absent checksum (0) is allowed over IPv4 only
 * (RFC 8200 section 8.1). `source` and `destination` are where the addresses stand, `size` 4 or 16.
 */
export function udpValid(
  b: Bytes,
  at: number,
  length: number,
  source: number,
  destination: number,
  size: number,
): boolean {
  if (length < UDP_HEADER) return false
  const own = udpLength(b, at)
  if (own < UDP_HEADER || own > length) return false
  if (u16(b, at + 6) === 0) return size === 4
  const sum = pseudoHeaderSum(b, source, destination, size, PROTOCOL_UDP, own)
  return checksumFold(checksumAdd(sum, b, at, own)) === 0
}

/** Writes the header in front of data that is in place already, checksum included; IP addresses stand in the same bytes. */
export function writeUdp(
  b: Bytes,
  at: number,
  sourcePort: number,
  destinationPort: number,
  length: number,
  source: number,
  destination: number,
  size: number,
): void {
  set16(b, at, sourcePort)
  set16(b, at + 2, destinationPort)
  set16(b, at + 4, length)
  set16(b, at + 6, 0)
  const sum = pseudoHeaderSum(b, source, destination, size, PROTOCOL_UDP, length)
  // 0 means "no checksum" on the wire, so a sum of 0 is sent as its other form.
  set16(b, at + 6, checksumFold(checksumAdd(sum, b, at, length)) || 0xffff)
}
