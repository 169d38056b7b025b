/** IPv6 extension headers (RFC 8200 section 4): finding what the packet carries. */
import { u8, u16, u32 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'
import { IPV6_HEADER, ipv6NextHeader, ipv6PayloadLength } from './ipv6.js'

const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT = 44
const NO_NEXT = 59
const DESTINATION = 60

export const IPV6_FRAGMENT_HEADER = 8
export const PROTOCOL_IPV6_FRAGMENT = FRAGMENT

/** Extension headers walked in one packet; more means it is dropped. */
const MOST_HEADERS = 8

/** Where the walk ended: filled by `walkIpv6`, reused from packet to packet. */
export interface Ipv6Payload {
  protocol: number
  /** Index where the payload (or the fragment header) begins. */
  at: number
  length: number
}

/**
 * Walks to the upper-layer protocol or the fragment header of a valid packet. False: malformed, too
 * many headers, a routing header that still wants forwarding (RFC 5095), or nothing behind them.
 */
export function walkIpv6(b: Bytes, ip: number, out: Ipv6Payload): boolean {
  let protocol = ipv6NextHeader(b, ip)
  let at = ip + IPV6_HEADER
  const end = at + ipv6PayloadLength(b, ip)
  for (let n = 0; n <= MOST_HEADERS; n++) {
    if (protocol !== HOP_BY_HOP && protocol !== ROUTING && protocol !== DESTINATION) {
      out.protocol = protocol
      out.at = at
      out.length = end - at
      return protocol !== NO_NEXT && (protocol !== FRAGMENT || out.length >= IPV6_FRAGMENT_HEADER)
    }
    if (at + 8 > end) return false
    if (protocol === ROUTING && u8(b, at + 3) !== 0) return false
    const length = (u8(b, at + 1) + 1) * 8
    if (at + length > end) return false
    protocol = u8(b, at)
    at += length
  }
  return false
}

export function fragmentNextHeader(b: Bytes, at: number): number {
  return u8(b, at)
}
/** In bytes. */
export function fragmentOffset(b: Bytes, at: number): number {
  return u16(b, at + 2) & 0xfff8
}
export function fragmentMore(b: Bytes, at: number): boolean {
  return (u16(b, at + 2) & 1) !== 0
}
export function fragmentIdentification(b: Bytes, at: number): number {
  return u32(b, at + 4)
}
