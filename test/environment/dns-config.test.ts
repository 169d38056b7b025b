import t from 'tap'
import type { DnsOptions } from '../../src/core/options.js'
import type { LinkInfo } from '../../src/core/types.js'
import { asciiName, effectiveConfig, familiesOf } from '../../src/environment/dns-config.js'

const NONE: DnsOptions = { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [] }
const LINK: LinkInfo = {
  addresses: ['10.0.0.1/24'],
  dns: ['10.0.0.53', 'fd00::53'],
  search: ['lab.example'],
  mtu: 1420,
}

t.test('the tunnel brings servers and search domains', async (t) => {
  t.same(effectiveConfig(NONE, LINK), {
    servers: [
      { address: '10.0.0.53', port: 53 },
      { address: 'fd00::53', port: 53 },
    ],
    search: ['lab.example'],
    zones: {},
    hosts: {},
  })
})

t.test('the configuration’s word counts more, each on its own, an empty one too', async (t) => {
  const servers = [{ address: '192.0.2.1', port: 5353 }]
  const own = effectiveConfig({ ...NONE, servers }, LINK)
  t.same(own.servers, servers)
  t.same(own.search, ['lab.example'])
  const none = effectiveConfig({ ...NONE, servers: [], search: [] }, LINK)
  t.same(none.servers, [])
  t.same(none.search, [])
})

t.test('families are those of the link’s addresses, IPv6 first', async (t) => {
  const families = (...addresses: string[]) => familiesOf({ ...LINK, addresses })
  t.same(families('10.0.0.1/24'), [4])
  t.same(families('fd00::1/64'), [6])
  t.same(families('10.0.0.1/24', 'fd00::1/64'), [6, 4])
  t.same(families(), [6, 4], 'a tunnel of streams has none of its own')
})

t.test('names in other scripts', async (t) => {
  t.equal(asciiName('www.lab.example'), 'www.lab.example')
  t.equal(asciiName('_srv._TCP.Lab.example.'), '_srv._TCP.Lab.example.', 'ASCII stays as it is')
  t.equal(asciiName('bücher.example'), 'xn--bcher-kva.example')
  t.equal(asciiName('BÜCHER.example'), 'xn--bcher-kva.example')
  t.equal(asciiName('例え。テスト'), 'xn--r8jz45g.xn--zckzah', 'an ideographic full stop is a dot')
  t.equal(asciiName('a b.é'), '', 'what can not be a name is none')
})

t.test('split DNS that the tunnel brings', (t) => {
  const none = { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [] }
  const link: LinkInfo = {
    addresses: [],
    dns: ['10.0.0.1', '[fd00::1]:5353'],
    search: [],
    mtu: 1400,
    zones: { 'lab.example': ['10.0.0.2:54'], 'x.example': ['10.0.0.3', 'nonsense'] },
  }
  const effective = effectiveConfig(none, link)
  t.same(effective.servers, [
    { address: '10.0.0.1', port: 53 },
    { address: 'fd00::1', port: 5353 },
  ])
  t.same(effective.zones, {
    'lab.example': [{ address: '10.0.0.2', port: 54 }],
    'x.example': [{ address: '10.0.0.3', port: 53 }],
  })
  const own = [{ address: '10.9.9.9', port: 53 }]
  t.same(
    effectiveConfig({ ...none, zones: { 'lab.example': own } }, link).zones['lab.example'],
    own,
    "the configuration's zone goes before",
  )
  t.same(effectiveConfig({ ...none, servers: own }, link).zones, {}, 'its servers are for all')
  t.same(
    effectiveConfig(none, { ...link, dns: [] }).servers.map(({ address }) => address),
    ['10.0.0.2', '10.0.0.3'],
    'with servers for zones alone these are asked for the rest too',
  )
  t.end()
})
