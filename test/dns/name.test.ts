/** Domain names as text. */
import t from 'tap'
import { parseIp } from '../../src/core/ip.js'
import type { Bytes } from '../../src/core/types.js'
import {
  candidates,
  inZone,
  isLocalhost,
  parseName,
  reversedAddress,
  reverseName,
} from '../../src/dns/name.js'

t.test('names are put into lower case, the dot at the end set aside', async (t) => {
  t.same(parseName('WWW.Example.'), { name: 'www.example', absolute: true })
  t.same(parseName('_ldap._tcp.x'), { name: '_ldap._tcp.x', absolute: false })
  t.same(parseName('a'.repeat(63)), { name: 'a'.repeat(63), absolute: false })
  const longest = `${'a.'.repeat(126)}a`
  t.equal(parseName(longest)?.name.length, 253)
  t.equal(parseName(`${longest}a`), undefined)
})

t.test('zones end at a dot', async (t) => {
  t.ok(inZone('a.example', 'example'))
  t.ok(inZone('example', 'example'))
  t.ok(inZone('example', ''))
  t.notOk(inZone('anexample', 'example'))
  t.notOk(inZone('example', 'a.example'))
  t.ok(isLocalhost('x.localhost'))
  t.notOk(isLocalhost('notlocalhost'))
})

t.test('a search domain that makes the name too long is left out', async (t) => {
  t.same(candidates('host', false, ['x.example', `${'a.'.repeat(125)}a`]), [
    'host.x.example',
    'host',
  ])
})

t.test('reverse names', async (t) => {
  const there: Record<string, string> = {
    '192.168.11.10': '10.11.168.192.in-addr.arpa',
    '2001:db8::567:89ab':
      'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa',
  }
  for (const [address, name] of Object.entries(there)) {
    t.equal(reverseName(parseIp(address) as Bytes), name)
    t.equal(reversedAddress(name), address)
  }
  const none = [
    '10.11.168.in-addr.arpa',
    '1.10.11.168.192.in-addr.arpa',
    '300.11.168.192.in-addr.arpa',
    '01.1.1.1.in-addr.arpa',
    'x.ip6.arpa',
    `${'g.'.repeat(32)}ip6.arpa`,
    'in-addr.arpa',
    'arpa',
    '',
    'a.b.c.d.example',
  ]
  for (const name of none) t.equal(reversedAddress(name), undefined, name)
})
