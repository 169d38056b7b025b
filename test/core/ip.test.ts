import { isIP, isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import {
  formatHostPort,
  formatIp,
  inPrefix,
  maskBits,
  parseHostPort,
  parseIp,
  parseIpv4,
  parseIpv6,
  parsePrefix,
} from '../../src/core/ip.js'
import { fuzzRun } from '../support/fuzz.js'

t.test('IPv4: strictly four decimal numbers', async (t) => {
  t.same(parseIpv4('192.0.2.255'), new Uint8Array([192, 0, 2, 255]))
  t.same(parseIpv4('0.0.0.0'), new Uint8Array(4))
  for (const text of [
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.04',
    '0x1.2.3.4',
    '1.2.3.-4',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '1.2.3.4/24',
    '1e1.2.3.4',
    '١.2.3.4',
  ]) {
    t.equal(parseIpv4(text), undefined, JSON.stringify(text))
  }
})

t.test('IPv6: examples of RFC 4291 and RFC 5952, and their canonical form', async (t) => {
  const forms: Readonly<Record<string, string>> = {
    '2001:DB8:0:0:8:800:200C:417A': '2001:db8::8:800:200c:417a',
    'FF01:0:0:0:0:0:0:101': 'ff01::101',
    '0:0:0:0:0:0:0:1': '::1',
    '0:0:0:0:0:0:0:0': '::',
    '0:0:0:0:0:0:13.1.68.3': '::d01:4403',
    '::FFFF:129.144.52.38': '::ffff:129.144.52.38',
    '::ffff:8190:3426': '::ffff:129.144.52.38',
    '2001:0db8::0001': '2001:db8::1',
    '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
    '2001:0:0:1:0:0:0:1': '2001:0:0:1::1',
    '2001:db8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '1:2:3:4:5:6:7::': '1:2:3:4:5:6:7:0',
    '::2:3:4:5:6:7:8': '0:2:3:4:5:6:7:8',
    '1::': '1::',
    '64:ff9b::192.0.2.33': '64:ff9b::c000:221',
  }
  for (const [text, canonical] of Object.entries(forms)) {
    const bytes = parseIpv6(text)
    t.equal(bytes && formatIp(bytes), canonical, text)
  }
})

t.test('IPv6: what is none', async (t) => {
  for (const text of [
    '',
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '12345::',
    'g::',
    '1:2:3:4:5:6:7:',
    ':1:2:3:4:5:6:7',
    '::1%eth0',
    '1.2.3.4::',
    '::1.2.3',
    '::1.2.3.256',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3.4:5',
    ' ::1',
    '::1/64',
    '[::1]',
    `${'0'.repeat(46)}::`,
  ]) {
    t.equal(parseIpv6(text), undefined, JSON.stringify(text))
  }
})

t.test('all addresses survive text, and are what Node takes for an address', async (t) => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    // Many zeros: they are what shortening is about.
    fc
      .array(fc.constantFrom(0, 0, 0, 1, 0xff, 0x10), { minLength: 16, maxLength: 16, size: 'max' })
      .map((list) => new Uint8Array(list)),
    fc.uint8Array({ minLength: 16, maxLength: 16, size: 'max' }),
  )
  fc.assert(
    fc.property(address, (bytes) => {
      const text = formatIp(bytes)
      const back = parseIp(text)
      return (
        isIP(text) === (bytes.length === 4 ? 4 : 6) &&
        back !== undefined &&
        Buffer.compare(back, bytes) === 0 &&
        (bytes.length === 4 || new URL(`http://[${text}]/`).hostname.length > 0)
      )
    }),
    { numRuns: 2000 },
  )
  t.pass('2000 addresses')
})

t.test('fuzz: text that Node refuses is refused, and the other way round', async (t) => {
  const text = fc.oneof(
    fc
      .array(fc.constantFrom('0', '1', '25', '256', 'f', '.', ':', '::', '%', '00', '1.2.3.4'), {
        maxLength: 12,
        size: 'max',
      })
      .map((parts) => parts.join('')),
    fc.string({ maxLength: 50, size: 'max' }),
  )
  fc.assert(
    fc.property(text, (s) => {
      const ours = parseIp(s)
      // Node allows zones; here nobody could use them.
      const theirs = s.includes('%') || (s.length > 45 && isIPv6(s)) ? 0 : isIP(s)
      return (ours === undefined ? 0 : ours.length === 4 ? 4 : 6) === theirs || s.startsWith('[')
    }),
    fuzzRun,
  )
  t.pass()
})

t.test('prefixes', async (t) => {
  t.match(parsePrefix('10.0.0.1/8'), { bits: 8 })
  t.match(parsePrefix('10.0.0.1'), { bits: 32 })
  t.match(parsePrefix('::/0'), { bits: 0 })
  t.match(parsePrefix('fd00::1/128'), { bits: 128 })
  t.match(parsePrefix('fd00::1'), { bits: 128 })
  for (const text of [
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '/8',
    '10.0.0.0/8/8',
    '10.0.0.0/ 8',
    'x/8',
  ]) {
    t.equal(parsePrefix(text), undefined, text)
  }
})

t.test('an address is in a prefix as far as its bits say', async (t) => {
  const inside = (address: string, prefix: string) => {
    const [a, p] = [parseIp(address), parsePrefix(prefix)]
    return a !== undefined && p !== undefined && inPrefix(a, p)
  }
  t.ok(inside('10.255.0.1', '10.0.0.0/8'))
  t.notOk(inside('11.0.0.1', '10.0.0.0/8'))
  t.ok(inside('192.168.11.7', '192.168.10.0/23'))
  t.notOk(inside('192.168.12.0', '192.168.10.0/23'))
  t.ok(inside('192.0.2.1', '192.0.2.99/24'), 'host bits do not matter')
  t.ok(inside('1.2.3.4', '0.0.0.0/0'))
  t.notOk(inside('1.2.3.4', '::/0'), 'nor does a family hold the other')
  t.ok(inside('fd00::8000:0:0:1', 'fd00::8000:0:0:0/65'))
  t.notOk(inside('fd00::1', 'fd00::8000:0:0:0/65'))
  t.notOk(inside('10.0.0.1', '10.0.0.0/32'))
  for (let bits = 0; bits <= 128; bits++) {
    const a = new Uint8Array(16).fill(0xaa)
    const prefix = { address: a.slice(), bits }
    for (let bit = 0; bit < 128; bit++) {
      const other = a.slice()
      other[bit >> 3] = (other[bit >> 3] as number) ^ (0x80 >> (bit & 7))
      if (inPrefix(other, prefix) !== bit >= bits) t.fail(`bit ${bit} of /${bits}`)
    }
  }
})

t.test('bits of a netmask', async (t) => {
  for (let bits = 0; bits <= 32; bits++) {
    const mask = [0, 8, 16, 24].map((at) => (0xff00 >> Math.min(Math.max(bits - at, 0), 8)) & 0xff)
    t.equal(maskBits(Uint8Array.from(mask)), bits, mask.join('.'))
  }
  t.equal(maskBits(Uint8Array.of(255, 0, 255, 0)), undefined, 'holes')
  t.equal(maskBits(undefined), undefined)
})

t.test('host and port', async (t) => {
  t.equal(formatHostPort('::1', 53), '[::1]:53')
  t.equal(formatHostPort('name', 53), 'name:53')
  t.same(parseHostPort('[::1]:53'), { host: '::1', port: 53 })
  t.same(parseHostPort('name.example:0'), { host: 'name.example', port: 0 })
  t.same(parseHostPort('1.2.3.4:65535'), { host: '1.2.3.4', port: 65_535 })
  for (const text of [
    '',
    ':80',
    'name',
    'name:',
    'name:65536',
    'name:x',
    '::1:53',
    '[]:1',
    '[::1]',
    '[::1]53',
    'name:-1',
    'name:1 ',
    'a:b:1',
  ]) {
    t.equal(parseHostPort(text), undefined, text)
  }
})
