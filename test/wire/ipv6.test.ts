import fc from 'fast-check'
import t from 'tap'
import { set8, set16 } from '../../src/core/bytes.js'
import {
  ipv6Ecn,
  ipv6HopLimit,
  ipv6NextHeader,
  ipv6PayloadLength,
  ipv6Valid,
  writeIpv6,
} from '../../src/wire/ipv6.js'
import { fuzzRun } from '../support/fuzz.js'
import { fenced, hex } from './wire.js'

t.test('a known header is written as others write it', async (t) => {
  const b = new Uint8Array(40)
  const source = hex('fe80 0000 0000 0000 0000 0000 0000 0001')
  const destination = hex('ff02 0000 0000 0000 0000 0000 0000 0002')
  writeIpv6(b, 0, source, destination, 58, 16, 0xbeef5, 255, 0xb9)
  t.same(
    b,
    hex(`6b9b eef5 0010 3aff
         fe80 0000 0000 0000 0000 0000 0000 0001 ff02 0000 0000 0000 0000 0000 0000 0002`),
  )
})

t.test('what is written reads back, wherever it stands', async (t) => {
  const address = fc.uint8Array({ minLength: 16, maxLength: 16 })
  const fields = fc.record({
    at: fc.nat(9),
    source: address,
    destination: address,
    next: fc.nat(255),
    payload: fc.nat(65_535),
    label: fc.nat(0xfffff),
    hops: fc.nat(255),
    trafficClass: fc.nat(255),
  })
  fc.assert(
    fc.property(fields, ({ at, source, destination, next, payload, label, hops, trafficClass }) => {
      const b = new Uint8Array(at + 40 + payload)
      writeIpv6(b, at, source, destination, next, payload, label, hops, trafficClass)
      const first = Buffer.from(b).readUInt32BE(at)
      return (
        ipv6Valid(b, at, 40 + payload) &&
        ipv6PayloadLength(b, at) === payload &&
        ipv6NextHeader(b, at) === next &&
        ipv6HopLimit(b, at) === hops &&
        ipv6Ecn(b, at) === (trafficClass & 3) &&
        first >>> 28 === 6 &&
        ((first >>> 20) & 255) === trafficClass &&
        (first & 0xfffff) === label
      )
    }),
    { numRuns: 300 },
  )
  t.pass('300 headers')
})

t.test('valid or not', async (t) => {
  const b = new Uint8Array(140)
  writeIpv6(b, 0, new Uint8Array(16), new Uint8Array(16), 17, 100)
  t.ok(ipv6Valid(b, 0, 140))
  t.ok(ipv6Valid(b, 0, 141), 'padding behind')
  t.notOk(ipv6Valid(b, 0, 139), 'payload cut')
  t.notOk(ipv6Valid(b, 0, 39), 'header cut')
  t.notOk(ipv6Valid(b, 0, 0))
  set16(b, 4, 0)
  t.ok(ipv6Valid(b, 0, 40), 'no payload')
  for (const version of [0, 4, 5, 7, 15]) {
    set8(b, 0, version << 4)
    t.notOk(ipv6Valid(b, 0, 140), `version ${version}`)
  }
})

t.test('fuzz: nothing outside of the packet is read', async (t) => {
  let valid = 0
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 90, size: 'max' }),
      fc.nat(8),
      fc.boolean(),
      (bytes, at, plausible) => {
        if (plausible && bytes.length >= 40) {
          set8(bytes, 0, 0x60)
          set16(bytes, 4, (bytes[5] as number) % 60)
        }
        if (!ipv6Valid(fenced(bytes, at), at, bytes.length)) return true
        valid++
        return 40 + ipv6PayloadLength(bytes, 0) <= bytes.length
      },
    ),
    fuzzRun,
  )
  t.ok(valid > 0, `${valid} valid ones among them`)
})
