/** Fragments made by hand, for the tests that put them together. */
import { set8, set16, set32 } from '../../src/core/bytes.js'
import type { Bytes } from '../../src/core/types.js'
import { IPV4_MORE_FRAGMENTS, writeIpv4 } from '../../src/wire/ipv4.js'
import { writeIpv6 } from '../../src/wire/ipv6.js'
import type { Ipv6Payload } from '../../src/wire/ipv6-extension.js'

export interface Piece {
  readonly id?: number
  /** In bytes; a multiple of 8. */
  readonly from: number
  readonly data: Bytes
  readonly more: boolean
  readonly protocol?: number
  /** Last byte of the source address. */
  readonly source?: number
}

export function fragment4({ id = 1, from, data, more, protocol = 17, source = 1 }: Piece): Bytes {
  const out = new Uint8Array(20 + data.length)
  const flags = (from >>> 3) | (more ? IPV4_MORE_FRAGMENTS : 0)
  const sender = new Uint8Array([10, 0, 0, source])
  writeIpv4(out, 0, sender, new Uint8Array([10, 0, 0, 2]), protocol, out.length, id, flags)
  out.set(data, 20)
  return out
}

export function fragment6({ id = 1, from, data, more, protocol = 17, source = 1 }: Piece): Bytes {
  const out = new Uint8Array(48 + data.length)
  writeIpv6(out, 0, address6(source), address6(2), 44, 8 + data.length)
  set8(out, 40, protocol)
  set16(out, 42, from | (more ? 1 : 0))
  set32(out, 44, id)
  out.set(data, 48)
  return out
}

/** Where the fragment header of `fragment6` stands. */
export function walked6(packet: Bytes): Ipv6Payload {
  return { protocol: 44, at: 40, length: packet.length - 40 }
}

export function address6(last: number): Bytes {
  const out = new Uint8Array(16)
  out[0] = 0xfd
  out[15] = last
  return out
}
