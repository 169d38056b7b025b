/** .ovpn files: what becomes of each directive, and the options that come out. */
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { importFile } from '../../src/config/import/import.js'
import { inlineFiles } from '../../src/config/openvpn/inline.js'
import { type OvpnFile, parseOvpn } from '../../src/config/openvpn/ovpn.js'
import { formatProblem } from '../../src/config/problem.js'
import type { OpenvpnOptions } from '../../src/core/options.js'
import { fuzzRun } from '../support/fuzz.js'
import { CERT, PRIVATE, STATIC } from './openvpn-material.js'
import { Folder } from './support.js'

const CA = `<ca>\n${CERT}</ca>\n`
const BASE = `client\ndev tun\nremote vpn.example\nremote-cert-tls server\n${CA}`

function read(text: string, path = '/nowhere/a.ovpn'): OvpnFile {
  return parseOvpn(text, path, 'a.ovpn')
}

function options(text: string, path?: string): OpenvpnOptions {
  const file = read(text, path)
  if (file.options === undefined)
    throw new Error(file.report.problems.map(formatProblem).join('\n'))
  return file.options
}

const problems = (text: string) => read(text).report.problems.map(formatProblem)
const verdict = (text: string, name: string) =>
  read(text).directives.find((directive) => directive.name === name)

t.test('a usual file', (t) => {
  const o = options(`# comment
client
dev tun
proto udp
remote vpn.example 1194
remote 2001:db8::1 443 tcp4   ; the other
remote-random
resolv-retry infinite
nobind
persist-key
cipher AES-256-CBC
auth SHA256
key-direction 1
verb 3
reneg-sec 0
verify-x509-name "vpn.example" name
remote-cert-tls server
auth-user-pass
explicit-exit-notify 1
keepalive 10 60
route 10.0.0.0 255.0.0.0
dhcp-option DNS 10.0.0.1
setenv UV_ID abc
float
tls-version-min 1.2
connect-retry 2 30
${CA}<cert>
Certificate: in words that are left out
${CERT}</cert>
<key>
${PRIVATE}</key>
<tls-auth>
${STATIC}</tls-auth>
`)
  t.match(o, {
    remotes: [
      { host: 'vpn.example', port: 1194, transport: 'udp' },
      { host: '2001:db8::1', port: 443, transport: 'tcp', family: 4 },
    ],
    remoteRandom: true,
    protection: { kind: 'tls-auth', digest: 'sha256', direction: 1 },
    digest: 'sha256',
    fallbackCipher: 'AES-256-CBC',
    ciphers: ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'],
    renegotiateSeconds: 0,
    retrySeconds: 2,
    retryMaximum: 30,
    float: true,
    localPort: 0,
    peerInfo: ['UV_ID=abc'],
    tls: {
      name: { kind: 'name', value: 'vpn.example' },
      usages: ['1.3.6.1.5.5.7.3.1'],
      minimum: 'TLSv1.2',
      key: PRIVATE,
      certificate: CERT,
      ca: [CERT],
    },
  })
  t.same(o.directives, [
    ['explicit-exit-notify', '1'],
    ['ping', '10'],
    ['ping-restart', '60'],
    ['route', '10.0.0.0', '255.0.0.0'],
    ['dhcp-option', 'DNS', '10.0.0.1'],
  ])
  t.equal(o.protection.kind === 'tls-auth' && o.protection.key.length, 256)
  t.end()
})

t.test('verdicts', (t) => {
  const refused = [
    ['up /bin/evil', 'scripts of a tunnel file are never run'],
    ['script-security 2', 'scripts of a tunnel file are never run'],
    ['plugin /usr/lib/evil.so', 'foreign code is never loaded'],
    ['management 127.0.0.1 7505', 'pvpn has its own control port'],
    ['management-hold', 'pvpn has its own control port'],
    ['http-proxy proxy 8080', 'use `through: ENV` with an environment of type http or socks5'],
    ['cipher BF-CBC', '"BF-CBC" is not there; a server that negotiates does without it'],
    ['comp-lzo', 'nothing is compressed: it weakens the encryption; the framing for it is kept'],
    ['route intranet 255.0.0.0', '"intranet" is not a network; names are not looked up'],
    ['remote-cert-tsl server', 'unknown to pvpn; did you mean "remote-cert-tls"?'],
    ['constructor', 'unknown to pvpn'],
  ] as const
  for (const [line, reason] of refused) {
    const found = verdict(`${BASE}${line}\n`, line.split(' ')[0] as string)
    t.same([found?.verdict, found?.reason], ['refused', reason], line)
    t.ok(read(`${BASE}${line}\n`).options, 'and the rest is used')
  }
  for (const line of ['user nobody', 'persist-tun', 'sndbuf 0', 'block-outside-dns', 'verb 3']) {
    t.equal(verdict(`${BASE}${line}\n`, line.split(' ')[0] as string)?.verdict, 'ignored', line)
  }
  for (const line of ['float', 'mssfix 1300', 'route-nopull', 'comp-lzo no', 'compress stub-v2']) {
    t.equal(verdict(`${BASE}${line}\n`, line.split(' ')[0] as string)?.verdict, 'honoured', line)
  }
  t.equal(verdict(`${BASE}ignore-unknown-option shiny\nshiny 1\n`, 'shiny')?.verdict, 'ignored')
  t.match(verdict(`${BASE}setenv opt float\n`, 'float'), { verdict: 'honoured' })
  t.end()
})

t.test('mistakes', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [BASE.replace('dev tun', 'dev tap0'), /^a.ovpn:2:1: "dev" tap carries Ethernet frames/],
    [`${BASE}secret static.key\n`, /"secret" static keys are not supported/],
    [`${BASE}fragment 1300\n`, /"fragment" changes every packet/],
    [`${BASE}server 10.8.0.0 255.255.255.0\n`, /"server" is a server's file/],
    [`${BASE}proto sctp\n`, /"proto" can't be "sctp" in a client: udp or tcp/],
    [`${BASE}auth MD5\n`, /"auth" "MD5" is not SHA1/],
    [`${BASE}data-ciphers BF-CBC\n`, /"data-ciphers" names no cipher that pvpn has/],
    [`${BASE}remote bad_host! 1\n`, /"remote" needs a host name or IP address/],
    [`${BASE}remote a.example 0\n`, /"remote" has no port/],
    [`${BASE}verify-x509-name x other\n`, /"verify-x509-name" has no type "other"/],
    [`${BASE}tls-auth missing.key 1\n`, /missing.key does not exist/],
    [`${BASE}<tls-crypt>\nabc\n</tls-crypt>\n`, /"tls-crypt" holds no static key/],
    [`${BASE}<tls-crypt-v2>\nabc\n</tls-crypt-v2>\n`, /holds no tls-crypt-v2 client key/],
    [`${BASE}<cert>\n${CERT}</cert>\n`, /"key" is missing/],
    [`${BASE}<key>\nnothing\n</key>\n`, /"key" holds no private key \(PEM\)/],
    [`${BASE}<tls-crypt>\n`, /<tls-crypt> is not closed by <\/tls-crypt>/],
    [`${BASE}setenv "a\n`, /a quote is not closed/],
    [BASE.replace(CA, ''), /"ca" \(or "peer-fingerprint"\) is missing/],
    [BASE.replace('remote vpn.example', ''), /there is no "remote"/],
    [`${BASE}reneg-sec soon\n`, /"reneg-sec" needs a number/],
  ]
  for (const [text, expected] of cases) {
    t.equal(read(text).options, undefined)
    t.match(problems(text).join('\n'), expected)
  }
  t.end()
})

t.test('blocks: connection, fingerprint, credentials, tls-crypt-v2', (t) => {
  const o = options(`${BASE.replace('remote vpn.example\n', '')}port 1200
<connection>
remote one.example
port 443
proto tcp-client
</connection>
<connection>
remote two.example 53 udp6
</connection>
<peer-fingerprint>
${'AB:'.repeat(31)}AB
</peer-fingerprint>
<auth-user-pass>
ann
secret word
</auth-user-pass>
`)
  t.same(o.remotes, [
    { host: 'one.example', port: 443, transport: 'tcp' },
    { host: 'two.example', port: 53, transport: 'udp', family: 6 },
  ])
  t.same(o.tls.fingerprints, ['ab'.repeat(32)])
  t.match(o, { username: 'ann', password: 'secret word' })
  const wrapped = Buffer.concat([randomBytes(288), Buffer.of(1, 34)])
  const key = Buffer.concat([randomBytes(256), wrapped])
  const label = 'OpenVPN tls-crypt-v2 client key'
  const v2 = `-----BEGIN ${label}-----\n${key.toString('base64')}\n-----END ${label}-----`
  const { protection } = options(`${BASE}<tls-crypt-v2>\n${v2}\n</tls-crypt-v2>\n`)
  t.match(protection, { kind: 'tls-crypt-v2', wrapped: Uint8Array.from(wrapped) })
  t.end()
})

t.test('every relaxation is said', (t) => {
  const lax = `${BASE.replace('remote-cert-tls server\n', '')}tls-version-min 1.0\ntls-cert-profile insecure\n`
  const said = read(lax).report.warnings.map(formatProblem).join('\n')
  t.match(said, /any certificate of the authority may be the server/)
  t.match(said, /weak certificates are taken/)
  t.match(said, /tls-version-min allows TLSv1, which is broken/)
  t.same(read(BASE).report.warnings, [])
  t.end()
})

t.test('separate files: found beside the file, and put into the copy of an import', async (t) => {
  const folder = new Folder(t)
  folder.write('keys/ca.crt', CERT)
  folder.write('keys/ta.key', STATIC, 0o644)
  folder.write('keys/pass.txt', 'ann\nhidden\n')
  const text = `client\ndev tun\nremote vpn.example\nremote-cert-tls server\nca ca.crt\ntls-auth ta.key 1\nauth-user-pass pass.txt\n`
  const path = folder.write('keys/office.ovpn', text)
  t.match(options(text, path), { tls: { ca: [CERT] }, username: 'ann', password: 'hidden' })
  t.match(read(text, path).report.warnings.map(formatProblem), [
    /a.ovpn:6:1: others can read the secret in ta.key/,
  ])
  const whole = inlineFiles(text, path)
  t.same(options(whole), options(text, path), 'the same without the files')
  const config = `${folder.path}/conf/pvpn.yaml`
  const result = importFile({ file: path, name: undefined, config, dryRun: false })
  t.match(result, { name: 'office', kind: 'an OpenVPN file', copy: 'office.ovpn' })
  t.match(result.notes, ['the files that it names were put into the copy'])
  t.equal(folder.read('conf/office.ovpn'), whole)
  t.match(folder.read('conf/pvpn.yaml'), /type: openvpn, file: office.ovpn/)
})

t.test('in the configuration', async (t) => {
  const folder = new Folder(t)
  folder.write('plain.ovpn', BASE)
  folder.write('asks.ovpn', `${BASE}auth-user-pass\nstatic-challenge "Code?" 1\n`)
  folder.write('pw', 'word\n')
  const load = async (tunnel: string) =>
    await folder.check(
      `version: 1\nenvironments: { a: { tunnel: { type: openvpn, ${tunnel} } } }\n`,
      {
        secrets: true,
      },
    )
  const tunnelOf = async (tunnel: string) => (await load(tunnel)).options?.environments[0]?.tunnel
  t.match(await tunnelOf('file: plain.ovpn'), { type: 'openvpn', asksPassword: false })
  t.match(await tunnelOf('file: plain.ovpn, username: ann, password_file: pw'), {
    username: undefined,
    password: undefined,
  })
  const staticChallenge = { text: 'Code?', echo: true, format: 'scrv1' }
  t.match(await tunnelOf('file: asks.ovpn'), { asksPassword: true, username: undefined })
  t.match(await tunnelOf('file: asks.ovpn, username: ann, password_file: pw'), {
    username: 'ann',
    password: 'word',
    staticChallenge,
    challenge: undefined,
  })
  t.match(
    await tunnelOf(
      "file: asks.ovpn, username: ann, password_file: pw, challenge_command: 'echo 7'",
    ),
    { username: 'ann', password: 'word', challenge: '7', staticChallenge },
  )
  const key = PRIVATE.replaceAll('PRIVATE', 'ENCRYPTED PRIVATE')
  folder.write('locked.ovpn', `${BASE}<cert>\n${CERT}</cert>\n<key>\n${key}</key>\n`)
  t.match(await tunnelOf('file: locked.ovpn'), { tls: { keyPassword: undefined } })
  t.match(await tunnelOf('file: locked.ovpn, key_password_file: pw'), {
    tls: { keyPassword: 'word' },
  })
  t.match((await load('file: none.ovpn')).problems, [/none.ovpn does not exist/])
  t.match((await load('username: ann')).problems, [/"file" is missing/])
})

t.test('any text is survived', (t) => {
  const word = fc.constantFrom(
    ...[
      'remote',
      'ca',
      '<ca>',
      '</ca>',
      '<connection>',
      '</connection>',
      'setenv',
      'opt',
      '"',
      '\\',
    ],
    ...['tls-auth', 'route', '10.0.0.0', 'proto', 'udp', 'dev', 'tun', '#', 'keepalive', '1', '\n'],
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string()), { maxLength: 30 }), (words) => {
      const file = read(words.join(words.length % 2 === 0 ? ' ' : '\n'))
      if (file.options === undefined) t.ok(file.report.problems.length > 0)
    }),
    { ...(fuzzRun as fc.Parameters<[string[]]>), numRuns: 2000 },
  )
  t.end()
})
