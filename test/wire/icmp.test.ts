import fc from 'fast-check'
import t from 'tap'
import { u16 } from '../../src/core/bytes.js'
import {
  finishIcmp,
  finishIcmpv6,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  ICMP_HEADER,
  ICMPV6_ECHO,
  icmpCode,
  icmpIdentifier,
  icmpNextHopMtu,
  icmpSequence,
  icmpType,
  icmpValid,
  icmpv6Mtu,
  icmpv6Valid,
} from '../../src/wire/icmp.js'
import { fuzzRun } from '../support/fuzz.js'
import { fenced, hex } from './wire.js'

/** What Windows' ping sends: 32 letters. */
const PING = hex(`0800 4d5a 0001 0001
  6162636465666768696a6b6c6d6e6f7071727374757677616263646566676869`)

t.test('a known echo request reads as it should, and is written the same', async (t) => {
  t.ok(icmpValid(PING, 0, 40))
  t.equal(icmpType(PING, 0), ICMP_ECHO)
  t.equal(icmpCode(PING, 0), 0)
  t.equal(icmpIdentifier(PING, 0), 1)
  t.equal(icmpSequence(PING, 0), 1)
  const own = PING.slice()
  own.fill(0xff, 0, 4)
  finishIcmp(own, 0, 40, ICMP_ECHO, 0)
  t.same(own, PING)
  finishIcmp(own, 0, 40, ICMP_ECHO_REPLY, 0)
  t.equal(u16(own, 2), 0x555a, 'the reply to it')
})

t.test('the MTU that a message tells', async (t) => {
  const b = hex('0304 0000 1234 05dc')
  t.equal(icmpNextHopMtu(b, 0), 1500)
  t.equal(icmpv6Mtu(hex('0200 0000 ffffffff'), 0), 0xffffffff)
  t.equal(icmpv6Mtu(hex('0200 0000 00000500'), 0), 1280)
})

t.test('a message shorter than its header is none', async (t) => {
  const b = new Uint8Array(64)
  finishIcmp(b, 0, 7, 8, 0)
  t.notOk(icmpValid(b, 0, 7))
  finishIcmp(b, 0, ICMP_HEADER, 8, 0)
  t.ok(icmpValid(b, 0, ICMP_HEADER))
  finishIcmpv6(b, 32, 7, 128, 0, 0, 16)
  t.notOk(icmpv6Valid(b, 32, 7, 0, 16))
})

t.test('the checksum of ICMPv6 covers addresses, length and protocol', async (t) => {
  const b = new Uint8Array(32 + 24).fill(3)
  finishIcmpv6(b, 32, 24, ICMPV6_ECHO, 0, 0, 16)
  t.ok(icmpv6Valid(b, 32, 24, 0, 16))
  t.notOk(icmpValid(b, 32, 24), 'it is another than that of ICMP')
  for (let i = 0; i < b.length; i++) {
    const changed = b.slice()
    changed[i] = (changed[i] as number) ^ 4
    if (icmpv6Valid(changed, 32, 24, 0, 16)) t.fail(`byte ${i}`)
  }
  const longer = new Uint8Array(b.length + 2)
  longer.set(b)
  t.notOk(icmpv6Valid(longer, 32, 26, 0, 16), 'zeros behind it change its length')
})

t.test('fuzz: nothing outside of the message is read', async (t) => {
  let valid = 0
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 90, size: 'max' }), fc.nat(8), (bytes, at) => {
      if (bytes.length >= 8 && (bytes[4] as number) & 1) finishIcmp(bytes, 0, bytes.length, 8, 0)
      if (icmpValid(fenced(bytes, at), at, bytes.length)) valid++
      if (bytes.length < 32) return true
      const length = bytes.length - 32
      if (length >= 8 && (bytes[0] as number) & 1) finishIcmpv6(bytes, 32, length, 128, 0, 0, 16)
      if (icmpv6Valid(fenced(bytes, at), at + 32, length, at, at + 16)) valid++
      return true
    }),
    fuzzRun,
  )
  t.ok(valid > 0, `${valid} valid ones among them`)
})
