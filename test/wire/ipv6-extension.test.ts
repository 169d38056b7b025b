import fc from 'fast-check'
import t from 'tap'
import { set8, set16 } from '../../src/core/bytes.js'
import type { Bytes } from '../../src/core/types.js'
import { writeIpv6 } from '../../src/wire/ipv6.js'
import {
  fragmentIdentification,
  fragmentMore,
  fragmentNextHeader,
  fragmentOffset,
  type Ipv6Payload,
  walkIpv6,
} from '../../src/wire/ipv6-extension.js'
import { fuzzRun } from '../support/fuzz.js'
import { fenced, hex } from './wire.js'

/** A packet whose first header is of type `next`, with this behind the IPv6 header. */
function packet(next: number, payload: Bytes): Bytes {
  const b = new Uint8Array(40 + payload.length)
  writeIpv6(b, 0, new Uint8Array(16), new Uint8Array(16), next, payload.length)
  b.set(payload, 40)
  return b
}

function walk(next: number, payload: string): Ipv6Payload | undefined {
  const out = { protocol: -1, at: -1, length: -1 }
  return walkIpv6(packet(next, hex(payload)), 0, out) ? out : undefined
}

const HOP = '3c 00 0104 00000000'
const DESTINATION_UDP = '11 00 0104 00000000'
const UDP = '0001 0002 0008 0000'

t.test('headers are walked to what the packet carries', async (t) => {
  t.same(walk(17, UDP), { protocol: 17, at: 40, length: 8 }, 'none')
  t.same(walk(0, `${HOP} ${DESTINATION_UDP} ${UDP}`), { protocol: 17, at: 56, length: 8 }, 'two')
  const long = `11 02 0114 ${'00'.repeat(20)}`
  t.same(walk(60, `${long} ${UDP}`), { protocol: 17, at: 64, length: 8 }, 'one of 24 bytes')
  t.same(walk(43, `11 00 00 00 00000000 ${UDP}`)?.at, 48, 'a routing header that has arrived')
  t.same(walk(44, '11 00 0001 00000001'), { protocol: 44, at: 40, length: 8 }, 'a fragment header')
  t.same(walk(0, '2c 00 0104 00000000 11 00 0001 00000001')?.at, 48, 'a fragment behind options')
  t.same(
    walk(17, ''),
    { protocol: 17, at: 40, length: 0 },
    'an empty payload is the caller’s affair',
  )
  t.same(walk(51, UDP)?.protocol, 51, 'an unknown one counts as what the packet carries')
})

t.test('what is malformed, or leads nowhere, is not walked', async (t) => {
  t.notOk(walk(59, ''), 'nothing follows')
  t.notOk(walk(0, '3b 00 0104 00000000'), 'nothing follows the options')
  t.notOk(walk(0, '11 00 0104 000000'), 'options cut')
  t.notOk(walk(0, `11 01 0104 00000000`), 'options longer than the packet')
  t.notOk(walk(0, ''), 'options that are not there')
  t.notOk(walk(43, `11 00 00 01 00000000 ${UDP}`), 'a routing header with segments left (RFC 5095)')
  t.notOk(walk(44, '11 00 0001 000000'), 'a fragment header cut')
})

t.test('eight headers are walked, a ninth is not', async (t) => {
  const chain = (count: number) =>
    `${'3c 00 0104 00000000'.repeat(count - 1)} ${DESTINATION_UDP} ${UDP}`
  t.same(walk(60, chain(8)), { protocol: 17, at: 40 + 64, length: 8 })
  t.notOk(walk(60, chain(9)))
})

t.test('the fields of a fragment header', async (t) => {
  const b = hex('ff 06 00 fff9 89abcdef')
  t.equal(fragmentNextHeader(b, 1), 6)
  t.equal(fragmentOffset(b, 1), 0xfff8)
  t.ok(fragmentMore(b, 1))
  t.equal(fragmentIdentification(b, 1), 0x89abcdef)
  t.notOk(fragmentMore(hex('0600 0008 00000000'), 0))
  t.equal(fragmentOffset(hex('0600 0006 00000000'), 0), 0, 'reserved bits are ignored')
})

t.test('fuzz: the walk ends, inside of the packet, and reads nothing else', async (t) => {
  const kinds = fc.constantFrom(0, 43, 44, 59, 60, 17, 6, 58, 200)
  let walked = 0
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 120, size: 'max' }),
      kinds,
      fc.array(fc.tuple(fc.nat(14), kinds)),
      fc.nat(6),
      (payload, next, set, at) => {
        for (const [word, kind] of set) {
          if (word * 8 + 1 >= payload.length) continue
          set8(payload, word * 8, kind)
          set8(payload, word * 8 + 1, kind & 1)
        }
        const bytes = packet(next, payload)
        // A length below what is there is allowed: what lies behind must not be read either.
        const declared = payload.length - (at % 3 === 0 ? payload.length % 5 : 0)
        set16(bytes, 4, declared)
        const b = fenced(bytes.subarray(0, 40 + declared), at)
        const out = { protocol: 0, at: 0, length: 0 }
        if (!walkIpv6(b, at, out)) return true
        walked++
        return out.at >= at + 40 && out.length >= 0 && out.at + out.length === at + 40 + declared
      },
    ),
    fuzzRun,
  )
  t.ok(walked > 0, `${walked} walked to the end`)
})
