import fc from 'fast-check'
import t from 'tap'
import type { Bytes } from '../../src/core/types.js'
import { fragment } from '../../src/stack/fragmentation.js'
import { Reassembly } from '../../src/stack/reassembly.js'
import {
  ipv4DontFragment,
  ipv4Identification,
  ipv4Protocol,
  ipv4Ttl,
  ipv4Valid,
  writeIpv4,
} from '../../src/wire/ipv4.js'
import { ipv6Valid, writeIpv6 } from '../../src/wire/ipv6.js'
import { fragmentIdentification, fragmentNextHeader } from '../../src/wire/ipv6-extension.js'
import { address6, walked6 } from './fragments.js'

function packet4(data: Bytes): Bytes {
  const b = new Uint8Array(20 + data.length)
  writeIpv4(
    b,
    0,
    new Uint8Array([10, 0, 0, 1]),
    new Uint8Array([10, 0, 0, 2]),
    17,
    b.length,
    5,
    0,
    61,
    0xb8,
  )
  b.set(data, 20)
  return b
}

function packet6(data: Bytes): Bytes {
  const b = new Uint8Array(40 + data.length)
  writeIpv6(b, 0, address6(1), address6(2), 17, data.length, 0x12345, 61, 0xb8)
  b.set(data, 40)
  return b
}

function cut(packet: Bytes, mtu: number, id: number): Bytes[] {
  const out: Bytes[] = []
  const done = fragment(packet, mtu, id, (length) => {
    // Memory of a queue: larger, and full of what was there.
    const place = new Uint8Array(length + 9).fill(0xee)
    out.push(place.subarray(0, length))
    return place
  })
  if (!done) throw new Error('there was room')
  return out
}

t.test('each fragment fits, is valid, and all together make the packet', async (t) => {
  const cases = fc.record({
    length: fc.integer({ min: 1, max: 9000 }),
    mtu: fc.integer({ min: 576, max: 1500 }),
    id: fc.nat(0xffffffff),
    v4: fc.boolean(),
  })
  fc.assert(
    fc.property(cases, ({ length, mtu, id, v4 }) => {
      const data = new Uint8Array(length).map((_, i) => i * 7 + (i >> 8))
      const packet = v4 ? packet4(data) : packet6(data)
      const pieces = cut(packet, mtu, id)
      const r = new Reassembly()
      let whole: Bytes | undefined
      for (const [i, piece] of pieces.entries()) {
        if (piece.length > mtu) return false
        if (!(v4 ? ipv4Valid(piece, 0, piece.length) : ipv6Valid(piece, 0, piece.length)))
          return false
        if (
          v4 &&
          (ipv4Identification(piece, 0) !== (id & 0xffff) ||
            ipv4Protocol(piece, 0) !== 17 ||
            ipv4Ttl(piece, 0) !== 61 ||
            ipv4DontFragment(piece, 0))
        )
          return false
        if (
          !v4 &&
          (fragmentIdentification(piece, 40) !== id || fragmentNextHeader(piece, 40) !== 17)
        )
          return false
        // A lone one of IPv4 is a whole packet.
        if (v4 && pieces.length === 1) whole = piece
        else whole = v4 ? r.ipv4(piece, 0, 0) : r.ipv6(piece, 0, walked6(piece), 0)
        if ((whole !== undefined) !== (i === pieces.length - 1)) return false
      }
      const header = v4 ? 20 : 40
      return (
        whole !== undefined &&
        Buffer.compare(whole.subarray(header), data) === 0 &&
        whole[1] === packet[1]
      )
    }),
    { numRuns: 400 },
  )
  t.pass('400 packets')
})

t.test('the largest datagrams', async (t) => {
  t.equal(cut(packet4(new Uint8Array(65_515)), 1280, 1).length, Math.ceil(65_515 / 1256))
  t.equal(cut(packet6(new Uint8Array(65_535)), 1280, 1).length, Math.ceil(65_535 / 1232))
})

t.test('without room for all of them it says so', async (t) => {
  let room = 2
  const place = (length: number) => (room-- > 0 ? new Uint8Array(length) : undefined)
  t.notOk(fragment(packet4(new Uint8Array(5000)), 1280, 1, place))
})
