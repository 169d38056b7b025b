import fc from 'fast-check'
import t from 'tap'
import { tlsCiphers, tlsGroups, tlsSuites } from '../../src/config/openvpn/tls-ciphers.js'
import { holds } from '../support/fuzz.js'

t.test("OpenVPN's names of ciphers", (t) => {
  const cases: readonly (readonly [
    list: string,
    text: string | undefined,
    unknown: readonly string[],
  ])[] = [
    ['TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384', []],
    ['TLS-DHE-RSA-WITH-AES-256-CBC-SHA', 'DHE-RSA-AES256-SHA', []],
    ['TLS-RSA-WITH-AES-128-CBC-SHA256', 'AES128-SHA256', []],
    ['TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305', []],
    [
      'ECDHE-RSA-AES128-GCM-SHA256:TLS-NO-SUCH-THING',
      'ECDHE-RSA-AES128-GCM-SHA256',
      ['TLS-NO-SUCH-THING'],
    ],
    ['DEFAULT:!aNULL:@SECLEVEL=0', 'DEFAULT:!aNULL:@SECLEVEL=0', []],
    ['TLS-NO-SUCH-THING', undefined, ['TLS-NO-SUCH-THING']],
    ['', undefined, ['']],
  ]
  for (const [list, text, unknown] of cases) t.same(tlsCiphers(list), { text, unknown }, list)
  t.same(tlsSuites('TLS_AES_128_GCM_SHA256:TLS_X'), {
    text: 'TLS_AES_128_GCM_SHA256',
    unknown: ['TLS_X'],
  })
  t.same(tlsGroups('X25519:secp384r1:none'), { text: 'X25519:secp384r1', unknown: ['none'] })
  t.end()
})

t.test('fuzz: any list is survived, and what is left can be used', (t) => {
  const word = fc.constantFrom(
    'TLS-',
    'WITH-',
    'AES-256-',
    'GCM',
    'SHA384',
    'DEFAULT',
    ':',
    '!',
    '@',
    'X25519',
    '-',
  )
  holds(
    t,
    fc.property(
      fc.array(fc.oneof(word, fc.string({ maxLength: 5 })), { maxLength: 8 }),
      (words) => {
        for (const parse of [tlsCiphers, tlsSuites, tlsGroups]) parse(words.join(''))
      },
    ),
  )
  t.end()
})
