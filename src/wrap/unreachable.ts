/** "Unreachable" (RFC 792, RFC 4443) about a packet of a namespace, so that its program learns at once. */
import { set16, u8, u16 } from '../core/bytes.js'
import type { PacketBatch } from '../core/packet-batch.js'
import type { Bytes } from '../core/types.js'
import {
  finishIcmp,
  finishIcmpv6,
  ICMP_ECHO,
  ICMP_HEADER,
  ICMP_UNREACHABLE,
  ICMPV6_UNREACHABLE,
} from '../wire/icmp.js'
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6 } from '../wire/ip.js'
import { ipv4TotalLength, writeIpv4 } from '../wire/ipv4.js'
import {
  IPV6_DESTINATION,
  IPV6_HEADER,
  IPV6_SOURCE,
  ipv6PayloadLength,
  writeIpv6,
} from '../wire/ipv6.js'
import { toGroup, transportAt, transportProtocol } from './packet-fields.js'

/** Codes, for both families. */
export const NO_ROUTE = { v4: 0, v6: 0 }
export const HOST = { v4: 1, v6: 3 }
export const PORT = { v4: 3, v6: 4 }
export const PROHIBITED = { v4: 13, v6: 1 }

/** Bytes of the packet that the message repeats (RFC 1812 section 4.3.2.3; RFC 4443 section 2.4 allows as many as fit 1280). */
const QUOTED_4 = 548
const QUOTED_6 = 1232

/** Appends the message to a batch that is not full; nothing about groups and ICMP errors. */
export function appendUnreachable(
  out: PacketBatch,
  b: Bytes,
  at: number,
  length: number,
  why: { readonly v4: number; readonly v6: number },
): void {
  if (toGroup(b, at) || isError(b, at, length)) return
  const v4 = u8(b, at) >>> 4 === 4
  const whole = v4 ? ipv4TotalLength(b, at) : IPV6_HEADER + ipv6PayloadLength(b, at)
  const quoted = Math.min(length, whole, v4 ? QUOTED_4 : QUOTED_6)
  const size = ICMP_HEADER + quoted
  const bytes = out.bytes
  const ip = out.place()
  if (v4) {
    const source = b.subarray(at + 16, at + 20)
    const destination = b.subarray(at + 12, at + 16)
    writeIpv4(bytes, ip, source, destination, PROTOCOL_ICMP, 20 + size, 0, 0)
  } else {
    const source = b.subarray(at + IPV6_DESTINATION, at + IPV6_DESTINATION + 16)
    const destination = b.subarray(at + IPV6_SOURCE, at + IPV6_SOURCE + 16)
    writeIpv6(bytes, ip, source, destination, PROTOCOL_ICMPV6, size)
  }
  const icmp = ip + (v4 ? 20 : IPV6_HEADER)
  set16(bytes, icmp + 4, 0)
  set16(bytes, icmp + 6, 0)
  bytes.set(b.subarray(at, at + quoted), icmp + ICMP_HEADER)
  if (v4) finishIcmp(bytes, icmp, size, ICMP_UNREACHABLE, why.v4)
  else {
    const [from, to] = [ip + IPV6_SOURCE, ip + IPV6_DESTINATION]
    finishIcmpv6(bytes, icmp, size, ICMPV6_UNREACHABLE, why.v6, from, to)
  }
  out.commit(icmp + size - ip)
}

function isError(b: Bytes, at: number, length: number): boolean {
  const protocol = transportProtocol(b, at)
  const transport = transportAt(b, at, length)
  if (transport >= at + length) return true
  const type = u8(b, transport)
  if (protocol === PROTOCOL_ICMP) return type !== ICMP_ECHO && type !== 13
  return protocol === PROTOCOL_ICMPV6 && type < 128
}

/** The IPv4 total length or IPv6 payload length says no more than what came. */
export function lengthsAgree(b: Bytes, at: number, length: number): boolean {
  return u8(b, at) >>> 4 === 4
    ? u16(b, at + 2) <= length
    : IPV6_HEADER + ipv6PayloadLength(b, at) <= length
}
