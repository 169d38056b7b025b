/** `type: openconnect`: what the fields become, and what is said about mistakes. */
import t from 'tap'
import type { OpenconnectOptions } from '../../src/core/options.js'
import * as pem from '../support/tls-fixtures.js'
import { Folder } from './support.js'

const yaml = (tunnel: string) =>
  `version: 1\nenvironments:\n  a:\n    tunnel: { type: openconnect, ${tunnel} }\n    listen: 127.0.0.1:1081\n`

t.test('the fields', async (t) => {
  const folder = new Folder(t)
  folder.write('pw', 'right horse\n')
  folder.write('code', '123456\n')
  folder.write('ca.pem', pem.CA)
  folder.write('me.pem', pem.CLIENT_CERTIFICATE)
  folder.write('me.key', pem.CLIENT_KEY)
  const pin = 'pin-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
  const { options, problems } = await folder.check(
    yaml(
      `url: 'https://VPN.example:8443/staff', username: ann, password_file: pw, authgroup: Staff, ca: ca.pem, certificate: me.pem, key: me.key, server_pin: '${pin}', form: { realm: lab, code_file: code, token_command: echo t0ken }`,
    ),
    { secrets: true },
  )
  t.same(problems, [])
  t.same(options?.environments[0]?.tunnel, {
    type: 'openconnect',
    place: { host: 'vpn.example', port: 8443, path: '/staff' },
    username: 'ann',
    password: 'right horse',
    authgroup: 'Staff',
    form: { realm: 'lab', code: '123456', token: 't0ken' },
    tls: {
      certificate: pem.CLIENT_CERTIFICATE,
      key: pem.CLIENT_KEY,
      ca: pem.CA,
      pin: pin.slice(11),
    },
    engine: 'native',
    protocol: 'anyconnect',
    dtls: false,
  })
})

t.test('addresses', async (t) => {
  const folder = new Folder(t)
  const place = async (url: string) => {
    const { options } = await folder.check(yaml(`url: '${url}'`))
    return (options?.environments[0]?.tunnel as OpenconnectOptions | undefined)?.place
  }
  t.same(await place('vpn.example'), { host: 'vpn.example', port: 443, path: '/' })
  t.same(await place('https://192.0.2.1:444'), { host: '192.0.2.1', port: 444, path: '/' })
  t.same(await place('https://[2001:db8::1]/x'), { host: '2001:db8::1', port: 443, path: '/x' })
})

t.test('PKCS #12, and a key beside its certificate', async (t) => {
  const folder = new Folder(t)
  folder.write('me.p12', Buffer.from(pem.CLIENT_PKCS12, 'base64'))
  folder.write('pw', 'x')
  folder.write('both.pem', pem.CLIENT_CERTIFICATE + pem.CLIENT_KEY)
  const tls = async (fields: string) => {
    const { options, problems } = await folder.check(yaml(`url: vpn.example, ${fields}`))
    t.same(problems, [])
    const tunnel = options?.environments[0]?.tunnel as OpenconnectOptions
    return tunnel.tls
  }
  t.match(await tls('certificate: me.p12, key_password_file: pw'), { keyPassword: 'x' })
  t.ok((await tls('certificate: me.p12')).pkcs12 !== undefined)
  t.match(await tls('certificate: both.pem'), { certificate: /PRIVATE KEY/ })
})

t.test('mistakes', async (t) => {
  const folder = new Folder(t)
  folder.write('me.pem', pem.CLIENT_CERTIFICATE)
  folder.write('junk', 'hello')
  const cases: readonly [tunnel: string, words: RegExp][] = [
    ['username: ann', /"url" is missing/],
    ['url: http://vpn.example', /must be https: a VPN without TLS is none/],
    ["url: 'https://u:p@vpn.example'", /: no user in the url: use "username" and "password_file"$/],
    ['url: ftp://vpn.example', /"ftp:\/\/vpn.example" is not an https URL/],
    ["url: 'https://vpn.example:0'", /not HOST:PORT with a port/],
    ['url: vpn.example, server_pin: sha256:xx', /is not pin-sha256: and 44 characters/],
    ['url: vpn.example, dtls: true', /the native client carries packets over TLS only/],
    ['url: v.example, engine: openconnect, form: { a: b }', /takes "form" only where everybody/],
    [
      `url: v.example, engine: openconnect, ca: ca.pem, server_pin: 'pin-sha256:${'A'.repeat(43)}='`,
      /the key replaces the checks of chain and name/,
    ],
    [
      'url: v.example, engine: openconnect, through: other',
      /can go through no other environment: leave "through" out/,
    ],
    ['url: vpn.example, protocol: gp', /"gp" needs engine: openconnect/],
    ['url: vpn.example, protocol: pgp', /is not anyconnect or nc or gp/],
    ['url: vpn.example, certificate: me.pem', /me.pem has no private key in it: add "key"/],
    ['url: vpn.example, certificate: junk', /junk has no certificate in it \(PEM or PKCS #12\)/],
    ['url: vpn.example, certificate: gone', /gone does not exist/],
    ['url: vpn.example, ca: junk', /junk has no certificate in it \(PEM\)/],
    ['url: vpn.example, key: me.key', /"key" needs a "certificate"/],
    ['url: vpn.example, form: { "a b": c }', /must hold names of a form's fields, not "a b"/],
    [
      'url: vpn.example, form: { code: x, code_file: y }',
      /give only one of "code" and "code_file"/,
    ],
    ['url: vpn.example, form: { code_file: gone }', /gone does not exist/],
    ['url: vpn.example, pasword: x', /unknown key "pasword".*did you mean "password"/],
  ]
  for (const [tunnel, words] of cases) {
    const { problems } = await folder.check(yaml(tunnel))
    t.match(problems.join('\n'), words, tunnel)
  }
  folder.write('office.conf', '')
  folder.write('pvpn.yaml', yaml('url: vpn.example, form: { code: "123456" }'), 0o644)
  t.match((await folder.load()).problems.join(), /"code" stands in the clear/)
})
