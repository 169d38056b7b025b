/** DNS that a server pushes. */
import t from 'tap'
import { OVPN_DNS_DOMAINS } from '../../../src/tunnel/openvpn/limits.js'
import { dnsAddresses, linkOf } from '../../../src/tunnel/openvpn/link.js'
import { PushedOptions } from '../../../src/tunnel/openvpn/push-options.js'

const CONTEXT = { mostMtu: 1500, overhead: 40, transport: 'udp', outerFamily: 4 } as const

function linkAfter(...options: readonly string[]) {
  const pushed = new PushedOptions()
  pushed.readMessage(options.join(','), { routeNoPull: false, filters: [] })
  return linkOf(pushed, CONTEXT)
}

t.test('what a push makes of the resolver', (t) => {
  const cases: readonly (readonly [options: readonly string[], link: object])[] = [
    [
      ['dhcp-option DNS 10.0.0.1', 'dhcp-option DNS6 fd00::1', 'dhcp-option DOMAIN A.example'],
      { dns: ['10.0.0.1', 'fd00::1'], search: ['a.example'], zones: undefined },
    ],
    [['dhcp-option DNS 10.0.0.1', 'dns server 0 address 10.0.0.2'], { dns: ['10.0.0.2'] }],
    [
      ['dns server 2 address 10.0.0.2', 'dns server -1 address 10.0.0.3 fd00::3'],
      { dns: ['10.0.0.3', 'fd00::3'] },
    ],
    [
      ['dns server 1 address 10.0.0.1:53 10.0.0.1:5353 [fd00::1]:53 [fd00::1]:5353 [fd00::2]'],
      { dns: ['10.0.0.1', '10.0.0.1:5353', 'fd00::1', '[fd00::1]:5353', 'fd00::2'] },
    ],
    [
      [
        'dns server 1 address 10.0.0.1',
        'dns server 2 address 10.0.0.2:54',
        'dns server 2 resolve-domains Lab.example. b.example',
        'dns server 3 address 10.0.0.3',
        'dns server 3 resolve-domains lab.example c.example',
      ],
      {
        dns: ['10.0.0.1'],
        zones: {
          'lab.example': ['10.0.0.2:54'],
          'b.example': ['10.0.0.2:54'],
          'c.example': ['10.0.0.3'],
        },
      },
    ],
    [
      ['dns server 1 address 10.0.0.1', 'dns server 1 resolve-domains a.example'],
      { dns: [], zones: { 'a.example': ['10.0.0.1'] } },
    ],
    [
      [
        'dns server 1 address 10.0.0.1',
        'dns server 1 transport DoT',
        'dns server 2 address 10.0.0.2',
      ],
      { dns: ['10.0.0.2'] },
    ],
    [['dns server 1 transport plain', 'dns server 1 address 10.0.0.1'], { dns: ['10.0.0.1'] }],
    [
      ['dns search-domains a.example b.example', 'dhcp-option DOMAIN c.example'],
      { search: ['a.example', 'b.example'] },
    ],
    [
      [
        'dns server x address 10.0.0.1',
        'dns server 1 address localhost 10.0.0.1:0 10.0.0.1:99999',
        'dns',
        'dns server',
        'dns server 1',
      ],
      { dns: [] },
    ],
    [
      ['dns server 1 address 10.0.0.1', 'dns server 1 resolve-domains __proto__ ../x'],
      { dns: [], zones: Object.fromEntries([['__proto__', ['10.0.0.1']]]) },
    ],
  ]
  for (const [options, link] of cases) t.match(linkAfter(...options), link, options.join(', '))
  t.end()
})

t.test('what can not be is left out, and told', (t) => {
  const long = 'a'.repeat(64)
  const pushed = new PushedOptions()
  const message = [
    'ifconfig 127.0.0.1 255.255.255.0',
    'ifconfig-ipv6 ::1/64 ::2',
    'dhcp-option DNS 0.0.0.0',
    'dhcp-option DNS6 ff02::1',
    'dhcp-option DNS 10.8.0.1',
    `dhcp-option DOMAIN ${long}.example`,
    'dhcp-option DOMAIN good.example',
    'dns server 1 address 127.0.0.53 [::1]:5353 10.8.0.2',
    `dns server 1 resolve-domains ${long} lab.example`,
    `dns search-domains ${long}`,
  ].join()
  t.ok(pushed.readMessage(message, { routeNoPull: false, filters: [] }))
  const link = linkOf(pushed, CONTEXT)
  t.same(link.addresses, [])
  t.same(link.zones, { 'lab.example': ['10.8.0.2'] })
  t.same(pushed.dns, ['10.8.0.1'])
  t.same(link.search, ['good.example'])
  t.same(link.leftOut, [
    'tunnel address 127.0.0.1',
    'tunnel address ::1/64',
    'DNS server 0.0.0.0',
    'DNS server ff02::1',
    `domain ${long}`,
    'DNS server 127.0.0.53',
    'DNS server [::1]:5353',
  ])
  t.end()
})

t.test('servers of zones are reachable too, and bounds hold', (t) => {
  const link = linkAfter(
    'dns server 1 address 10.0.0.1:54',
    'dns server 2 address [fd00::2]:54',
    'dns server 2 resolve-domains a.example',
  )
  t.same(dnsAddresses(link), ['10.0.0.1', 'fd00::2'])
  const domains = Array.from({ length: 999 }, (_, i) => `d${i}.example`).join(' ')
  const many = linkAfter(
    ...Array.from({ length: 99 }, (_, i) => `dns server ${i} address 10.0.0.${i}`),
    `dns server 0 resolve-domains ${domains}`,
    `dns search-domains ${domains}`,
    `dns search-domains ${domains}`,
  )
  t.equal(Object.keys(many.zones ?? {}).length, OVPN_DNS_DOMAINS)
  t.equal(many.search.length, OVPN_DNS_DOMAINS)
  t.end()
})
