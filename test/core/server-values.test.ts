import fc from 'fast-check'
import t from 'tap'
import { formatIp, parseIp } from '../../src/core/ip.js'
import { LEFT_OUT_MOST } from '../../src/core/limits.js'
import { isDomainName, isHostAddress, LeftOut } from '../../src/core/server-values.js'
import { holds } from '../support/fuzz.js'

const bytes = (text: string) => parseIp(text) ?? new Uint8Array(0)

t.test('addresses', (t) => {
  const bad = [
    ...['0.0.0.0', '0.1.2.3', '127.0.0.1', '127.255.0.9', '224.0.0.1', '239.255.255.255'],
    ...['255.255.255.255', '::', '::1', '::10.0.0.1', '::ffff:10.0.0.1', 'ff02::1', 'ff00::'],
  ]
  for (const text of bad) t.notOk(isHostAddress(bytes(text)), text)
  const good = [
    ...['10.0.0.1', '192.168.9.52', '1.1.1.1', '126.0.0.1', '128.0.0.1', '223.255.255.254'],
    ...['240.0.0.1', '255.255.255.254', '169.254.1.1', '100.64.0.1'],
    ...['fd00::1', 'fe80::1', '2001:db8::', '64:ff9b::a00:1', '::1:0:0:1', '::fffe:a00:1:1'],
  ]
  for (const text of good) t.ok(isHostAddress(bytes(text)), text)
  t.end()
})

t.test('names', (t) => {
  const label = 'a'.repeat(63)
  const longest = [label, label, label, 'a'.repeat(61)].join('.')
  t.equal(longest.length, 253)
  for (const text of ['lab', 'lab.example', 'a-b_c.example.', label, longest, `${longest}.`]) {
    t.ok(isDomainName(text), text)
  }
  const bad = ['', '.', '..', 'a..b', '.a', 'a b', 'é', `${label}a`, `x.${label}a.y`, `${longest}a`]
  for (const text of bad) t.notOk(isDomainName(text), text)
  t.end()
})

t.test('what was left out: told once each, a bounded number, one line', (t) => {
  const out = new LeftOut()
  t.equal(out.note('domain', 'a\nb'), false)
  out.note('domain', 'a\nb')
  t.same(out.words, ['domain a b'])
  for (let i = 0; i < 100; i++) out.note('DNS server', `${i}`.repeat(100))
  t.equal(out.words.length, LEFT_OUT_MOST)
  t.ok(out.words.every((words) => words.length < 80))
  t.end()
})

t.test('fuzz: an address that passes is none of the special ones', (t) => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  )
  holds(
    t,
    fc.property(address, (a) => {
      const text = formatIp(a)
      return (
        !isHostAddress(a) || !/^(0|127|22[4-9]|23\d)\.|^255(\.255){3}$|^ff..:|^::1?$/.test(text)
      )
    }),
  )
  t.end()
})
