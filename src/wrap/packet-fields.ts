/** What decides where a packet of a namespace goes, read from its headers in place. */
import { u8, u16 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ip.js'
import {
  ipv4FragmentOffset,
  ipv4HeaderLength,
  ipv4MoreFragments,
  ipv4Protocol,
} from '../wire/ipv4.js'
import { IPV6_HEADER, ipv6NextHeader } from '../wire/ipv6.js'
import { PROTOCOL_IPV6_FRAGMENT } from '../wire/ipv6-extension.js'

/** IPv4 or IPv6 with a whole header; 0: neither. */
export function ipVersion(b: Bytes, at: number, length: number): 4 | 6 | 0 {
  const version = length < 20 ? 0 : u8(b, at) >>> 4
  if (version === 4)
    return ipv4HeaderLength(b, at) >= 20 && ipv4HeaderLength(b, at) <= length ? 4 : 0
  return version === 6 && length >= IPV6_HEADER ? 6 : 0
}

export function transportProtocol(b: Bytes, at: number): number {
  return u8(b, at) >>> 4 === 4 ? ipv4Protocol(b, at) : ipv6NextHeader(b, at)
}

/** Where the transport header stands; the end of the packet for later fragments. */
export function transportAt(b: Bytes, at: number, length: number): number {
  if (u8(b, at) >>> 4 === 6) return at + IPV6_HEADER
  return ipv4FragmentOffset(b, at) === 0 ? at + ipv4HeaderLength(b, at) : at + length
}

/** Destination port of TCP and UDP; 0 where there is none. */
export function destinationPort(b: Bytes, at: number, length: number): number {
  const protocol = transportProtocol(b, at)
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return 0
  const transport = transportAt(b, at, length)
  return transport + 4 <= at + length ? u16(b, transport + 2) : 0
}

/** The same for the source port. */
export function sourcePort(b: Bytes, at: number, length: number): number {
  const protocol = transportProtocol(b, at)
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return 0
  const transport = transportAt(b, at, length)
  return transport + 4 <= at + length ? u16(b, transport) : 0
}

/** Only a part of what was sent: it has to be put together before it says anything. */
export function isFragment(b: Bytes, at: number): boolean {
  if (u8(b, at) >>> 4 === 6) return ipv6NextHeader(b, at) === PROTOCOL_IPV6_FRAGMENT
  return ipv4FragmentOffset(b, at) !== 0 || ipv4MoreFragments(b, at)
}

/** Multicast, or IPv4's broadcast: no ICMP error may be sent about these (RFC 1122 section 3.2.2). */
export function toGroup(b: Bytes, at: number): boolean {
  return u8(b, at) >>> 4 === 4 ? u8(b, at + 16) >= 224 : u8(b, at + 24) === 0xff
}
