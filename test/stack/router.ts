/** A router on the way: ICMP errors about packets, as whole IP packets to their sender. */
import { set32, u8 } from '../../src/core/bytes.js'
import { parseIp } from '../../src/core/ip.js'
import type { Bytes } from '../../src/core/types.js'
import { finishIcmp, finishIcmpv6 } from '../../src/wire/icmp.js'
import { writeIpv4 } from '../../src/wire/ipv4.js'
import { writeIpv6 } from '../../src/wire/ipv6.js'

export interface IcmpError {
  readonly type: number
  readonly code?: number
  /** The four bytes behind the checksum: the MTU of a smaller link. */
  readonly rest?: number
  /** What is quoted; default as much of the packet as routers do (RFC 792: header and 8 bytes, RFC 4443: all that fits). */
  readonly quote?: Bytes
}

/** What a router answers to the sender of a packet of either family. */
export function icmpError(packet: Bytes, error: IcmpError): Bytes {
  const v4 = u8(packet, 0) >>> 4 === 4
  const quote = error.quote ?? packet.subarray(0, v4 ? 28 : 1232)
  const header = v4 ? 20 : 40
  const size = 8 + quote.length
  const out = new Uint8Array(header + size)
  set32(out, header + 4, error.rest ?? 0)
  out.set(quote, header + 8)
  const to = v4 ? packet.slice(12, 16) : packet.slice(8, 24)
  const code = error.code ?? 0
  if (v4) {
    writeIpv4(out, 0, address('10.0.0.99'), to, 1, out.length, 0, 0)
    finishIcmp(out, header, size, error.type, code)
  } else {
    writeIpv6(out, 0, address('fd00::99'), to, 58, size)
    finishIcmpv6(out, header, size, error.type, code, 8, 24)
  }
  return out
}

/** "Fragmentation needed" or "packet too big". */
export function tooBig(packet: Bytes, mtu: number): Bytes {
  const v4 = u8(packet, 0) >>> 4 === 4
  return icmpError(packet, v4 ? { type: 3, code: 4, rest: mtu } : { type: 2, rest: mtu })
}

export function address(text: string): Bytes {
  const bytes = parseIp(text)
  if (bytes === undefined) throw new Error(`no address: ${text}`)
  return bytes
}
