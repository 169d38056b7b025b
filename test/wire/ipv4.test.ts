import fc from 'fast-check'
import t from 'tap'
import { set8, set16 } from '../../src/core/bytes.js'
import type { Bytes } from '../../src/core/types.js'
import { checksum } from '../../src/wire/checksum.js'
import {
  IPV4_DONT_FRAGMENT,
  IPV4_MORE_FRAGMENTS,
  ipv4DontFragment,
  ipv4Ecn,
  ipv4FragmentOffset,
  ipv4HeaderLength,
  ipv4Identification,
  ipv4MoreFragments,
  ipv4Protocol,
  ipv4TotalLength,
  ipv4Ttl,
  ipv4Valid,
  writeIpv4,
} from '../../src/wire/ipv4.js'
import { fuzzRun } from '../support/fuzz.js'
import { fenced, hex } from './wire.js'

/** A UDP packet of 115 bytes: the usual worked example of the header checksum. */
const EXAMPLE = hex('4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7')

/** The example with `change`, and a checksum that is right again. */
function changed(change: (b: Bytes) => void, size = 115): Bytes {
  const b = new Uint8Array(size)
  b.set(EXAMPLE)
  change(b)
  set16(b, 10, 0)
  set16(b, 10, checksum(b, 0, Math.min(size, ipv4HeaderLength(b, 0))))
  return b
}

t.test('the example reads as it should, and is written the same', async (t) => {
  const b = new Uint8Array(115)
  b.set(EXAMPLE)
  t.ok(ipv4Valid(b, 0, 115))
  t.equal(ipv4HeaderLength(b, 0), 20)
  t.equal(ipv4TotalLength(b, 0), 115)
  t.equal(ipv4Identification(b, 0), 0)
  t.ok(ipv4DontFragment(b, 0))
  t.notOk(ipv4MoreFragments(b, 0))
  t.equal(ipv4FragmentOffset(b, 0), 0)
  t.equal(ipv4Ttl(b, 0), 64)
  t.equal(ipv4Protocol(b, 0), 17)
  const own = new Uint8Array(20).fill(0xff)
  const [source, destination] = [hex('c0a80001'), hex('c0a800c7')]
  writeIpv4(own, 0, source, destination, 17, 115, 0, IPV4_DONT_FRAGMENT)
  t.same(own, EXAMPLE)
})

t.test('what is written reads back, wherever it stands', async (t) => {
  const u16s = fc.nat(0xffff)
  const address = fc.uint8Array({ minLength: 4, maxLength: 4 })
  const fields = fc.record({
    at: fc.nat(9),
    source: address,
    destination: address,
    protocol: fc.nat(255),
    total: fc.integer({ min: 20, max: 65_535 }),
    identification: u16s,
    flags: u16s,
    ttl: fc.nat(255),
    trafficClass: fc.nat(255),
  })
  fc.assert(
    fc.property(fields, (f) => {
      const { at, source, destination, protocol, total, identification, flags } = f
      const b = new Uint8Array(at + total).fill(0x5a)
      writeIpv4(
        b,
        at,
        source,
        destination,
        protocol,
        total,
        identification,
        flags,
        f.ttl,
        f.trafficClass,
      )
      return (
        ipv4Valid(b, at, total) &&
        ipv4TotalLength(b, at) === total &&
        ipv4Identification(b, at) === identification &&
        ipv4Protocol(b, at) === protocol &&
        ipv4Ttl(b, at) === f.ttl &&
        ipv4Ecn(b, at) === (f.trafficClass & 3) &&
        ipv4DontFragment(b, at) === ((flags & IPV4_DONT_FRAGMENT) !== 0) &&
        ipv4MoreFragments(b, at) === ((flags & IPV4_MORE_FRAGMENTS) !== 0) &&
        ipv4FragmentOffset(b, at) === (flags & 0x1fff) * 8 &&
        Buffer.compare(b.subarray(at + 12, at + 16), source) === 0 &&
        Buffer.compare(b.subarray(at + 16, at + 20), destination) === 0 &&
        b.subarray(0, at).every((byte) => byte === 0x5a) &&
        b.subarray(at + 20).every((byte) => byte === 0x5a)
      )
    }),
    { numRuns: 500 },
  )
  t.pass('500 headers')
})

const VERDICTS: readonly (readonly [string, boolean, Bytes, number])[] = [
  ['longer memory than packet (padding)', true, changed(() => undefined, 200), 200],
  ['exactly the header', true, changed((b) => set16(b, 2, 20), 20), 20],
  ['19 bytes', false, EXAMPLE, 19],
  ['nothing', false, EXAMPLE, 0],
  ['total length beyond the packet', false, changed(() => undefined), 114],
  ['total length below the header', false, changed((b) => set16(b, 2, 19)), 115],
  ['version 5', false, changed((b) => set8(b, 0, 0x55)), 115],
  ['version 6', false, changed((b) => set8(b, 0, 0x65)), 115],
  ['header of 16 bytes', false, changed((b) => set8(b, 0, 0x44)), 115],
  ['header of 60 bytes', true, changed((b) => set8(b, 0, 0x4f)), 115],
  [
    'header of 60 bytes in 59',
    false,
    changed((b) => {
      set8(b, 0, 0x4f)
      set16(b, 2, 59)
    }, 59),
    59,
  ],
  [
    'header of 60 bytes in a total of 59',
    false,
    changed((b) => {
      set8(b, 0, 0x4f)
      set16(b, 2, 59)
    }),
    115,
  ],
]
for (const [what, verdict, bytes, length] of VERDICTS) {
  t.test(`valid or not: ${what}`, async (t) => t.equal(ipv4Valid(bytes, 0, length), verdict))
}

t.test('each changed bit of the header is noticed', async (t) => {
  for (let bit = 0; bit < 160; bit++) {
    const b = new Uint8Array(115)
    b.set(EXAMPLE)
    b[bit >> 3] = (b[bit >> 3] as number) ^ (0x80 >> (bit & 7))
    if (ipv4Valid(b, 0, 115)) t.fail(`bit ${bit}`)
  }
  t.pass('160 bits')
})

t.test('fuzz: nothing outside of the packet is read', async (t) => {
  let valid = 0
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80, size: 'max' }),
      fc.nat(8),
      fc.boolean(),
      (bytes, at, sealed) => {
        if (sealed && bytes.length >= 20) {
          set8(bytes, 0, 0x40 | (5 + (at % 3)))
          set16(bytes, 2, bytes.length - (at & 1))
          set16(bytes, 10, 0)
          set16(bytes, 10, checksum(bytes, 0, Math.min(bytes.length, ipv4HeaderLength(bytes, 0))))
        }
        const b = fenced(bytes, at)
        if (ipv4Valid(b, at, bytes.length)) {
          valid++
          return ipv4TotalLength(b, at) <= bytes.length && ipv4HeaderLength(b, at) >= 20
        }
        return true
      },
    ),
    fuzzRun,
  )
  t.ok(valid > 0, `${valid} valid ones among them`)
})
