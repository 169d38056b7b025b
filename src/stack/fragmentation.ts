/** Cuts a packet that does not fit its path (RFC 791 section 2.3, RFC 8200 section 4.5). */
import { set8, set16, set32, u8 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'
import { checksum } from '../wire/checksum.js'
import { IPV4_HEADER, IPV4_MORE_FRAGMENTS } from '../wire/ipv4.js'
import { IPV6_HEADER } from '../wire/ipv6.js'
import { IPV6_FRAGMENT_HEADER, PROTOCOL_IPV6_FRAGMENT } from '../wire/ipv6-extension.js'

/** Room for one packet of this length, or undefined when there is none. */
export type Place = (length: number) => Bytes | undefined

/**
 * Writes the fragments of a whole packet without options or extension headers. False: there was no
 * room for all of them (those already placed are lost with the datagram).
 */
export function fragment(
  packet: Bytes,
  mtu: number,
  identification: number,
  place: Place,
): boolean {
  const v4 = u8(packet, 0) >>> 4 === 4
  const header = v4 ? IPV4_HEADER : IPV6_HEADER
  const overhead = v4 ? IPV4_HEADER : IPV6_HEADER + IPV6_FRAGMENT_HEADER
  const step = (mtu - overhead) & ~7
  for (let at = header; at < packet.length; at += step) {
    const size = Math.min(step, packet.length - at)
    const more = at + size < packet.length
    const out = place(overhead + size)
    if (out === undefined) return false
    out.set(packet.subarray(0, header))
    out.set(packet.subarray(at, at + size), overhead)
    const offset = at - header
    if (v4) finishFragment4(out, overhead + size, offset, more, identification)
    else finishFragment6(out, size, offset, more, identification, u8(packet, 6))
  }
  return true
}

function finishFragment4(
  out: Bytes,
  total: number,
  offset: number,
  more: boolean,
  identification: number,
): void {
  set16(out, 2, total)
  set16(out, 4, identification & 0xffff)
  set16(out, 6, (offset >>> 3) | (more ? IPV4_MORE_FRAGMENTS : 0))
  set16(out, 10, 0)
  set16(out, 10, checksum(out, 0, IPV4_HEADER))
}

function finishFragment6(
  out: Bytes,
  size: number,
  offset: number,
  more: boolean,
  identification: number,
  protocol: number,
): void {
  set16(out, 4, IPV6_FRAGMENT_HEADER + size)
  set8(out, 6, PROTOCOL_IPV6_FRAGMENT)
  set8(out, IPV6_HEADER, protocol)
  set8(out, IPV6_HEADER + 1, 0)
  set16(out, IPV6_HEADER + 2, offset | (more ? 1 : 0))
  set32(out, IPV6_HEADER + 4, identification)
}
