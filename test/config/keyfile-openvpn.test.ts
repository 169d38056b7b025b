/** NetworkManager's keyfiles for OpenVPN: what becomes of each key, and the .ovpn file that comes out. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { importFile } from '../../src/config/import/import.js'
import { type KeyfileOpenvpn, readKeyfileOvpn } from '../../src/config/import/keyfile-report.js'
import { fileKind } from '../../src/config/import/kind.js'
import { readOvpnLines } from '../../src/config/openvpn/lines.js'
import { formatProblem } from '../../src/config/problem.js'
import { holds } from '../support/fuzz.js'
import { CERT, PRIVATE, STATIC } from './openvpn-material.js'
import { Folder } from './support.js'

function folderWithKeys(t: Test): Folder {
  const folder = new Folder(t)
  folder.write('ca.pem', CERT)
  folder.write('me.pem', CERT)
  folder.write('me.key', PRIVATE)
  folder.write('ta.key', STATIC)
  return folder
}

const HEAD = '[connection]\nid=Office VPN\ntype=vpn\nuuid=1\n'
const SERVICE = '[vpn]\nservice-type=org.freedesktop.NetworkManager.openvpn\n'
const TLS = 'connection-type=tls\nca=ca.pem\ncert=me.pem\nkey=me.key\n'
const BASE = `${HEAD}\n${SERVICE}remote=vpn.example\nremote-cert-tls=server\n`

/** A keyfile of these further lines of [vpn], or of the sections that they begin themselves. */
function keyfile(more: string, base = `${BASE}${TLS}`): string {
  return `${base}${more}\n`
}

function read(folder: Folder, text: string): KeyfileOpenvpn {
  return readKeyfileOvpn(text, join(folder.path, 'x.nmconnection'))
}

/** Lines of [vpn] (or a section and its lines), the verdict, and the line of the .ovpn file. */
const TABLE: readonly (readonly [
  string,
  'honoured' | 'ignored' | 'refused',
  string | undefined,
])[] = [
  [
    'remote=a.example:443:tcp, [2001:db8::1]:1194 192.0.2.1',
    'honoured',
    'remote a.example 443 tcp',
  ],
  ['remote=a.example, [2001:db8::1]:1194', 'honoured', 'remote 2001:db8::1 1194'],
  ['remote=2001:db8::2', 'honoured', 'remote 2001:db8::2'],
  ['port=443', 'honoured', 'port 443'],
  ['proto-tcp=yes', 'honoured', 'proto tcp-client'],
  ['proto-tcp=no', 'honoured', undefined],
  ['ta=ta.key', 'honoured', 'tls-auth ta.key'],
  ['tls-crypt=ta.key', 'honoured', 'tls-crypt ta.key'],
  ['cipher=AES-256-CBC', 'honoured', 'cipher AES-256-CBC'],
  ['cipher=BF-CBC', 'refused', 'cipher BF-CBC'],
  ['data-ciphers=AES-256-GCM:AES-128-GCM', 'honoured', 'data-ciphers AES-256-GCM:AES-128-GCM'],
  ['data-ciphers-fallback=AES-128-CBC', 'honoured', 'data-ciphers-fallback AES-128-CBC'],
  ['auth=SHA512', 'honoured', 'auth SHA512'],
  ['reneg-seconds=600', 'honoured', 'reneg-sec 600'],
  [
    'verify-x509-name=name:vpn server "1"',
    'honoured',
    'verify-x509-name "vpn server \\"1\\"" name',
  ],
  ['verify-x509-name=CN=x', 'honoured', 'verify-x509-name CN=x subject'],
  ['verify-x509-name=name-prefix:vpn', 'honoured', 'verify-x509-name vpn name-prefix'],
  ['ns-cert-type=server', 'honoured', 'ns-cert-type server'],
  ['tls-version-min=1.2', 'honoured', 'tls-version-min 1.2'],
  ['mssfix=yes', 'honoured', 'mssfix'],
  ['mssfix=1300', 'honoured', 'mssfix 1300'],
  ['mssfix=no', 'honoured', undefined],
  ['tunnel-mtu=1400', 'honoured', 'tun-mtu 1400'],
  ['dev-type=tun', 'honoured', 'dev-type tun'],
  ['dev=tun7', 'ignored', undefined],
  ['tap-dev=no', 'honoured', undefined],
  ['comp-lzo=adaptive', 'refused', 'comp-lzo adaptive'],
  ['comp-lzo=no-by-default', 'honoured', 'comp-lzo no'],
  ['compress=yes', 'honoured', 'compress'],
  ['float=yes', 'honoured', 'float'],
  ['remote-random=yes', 'honoured', 'remote-random'],
  ['ping=10', 'honoured', 'ping 10'],
  ['ping-restart=60', 'honoured', 'ping-restart 60'],
  ['connect-timeout=20', 'honoured', 'connect-timeout 20'],
  ['tls-cipher=DEFAULT', 'honoured', 'tls-cipher DEFAULT'],
  ['max-routes=100', 'ignored', undefined],
  ['crl-verify-dir=/etc/crl', 'refused', 'crl-verify /etc/crl dir'],
  ['tls-remote=x', 'refused', 'tls-remote x'],
  ['cert-pass-flags=1', 'ignored', undefined],
  ['password-flags=1', 'ignored', undefined],
  ['username=ann', 'ignored', undefined],
  ['proxy-type=http', 'refused', undefined],
  ['proxy-server=proxy.example', 'refused', undefined],
  ['http-proxy-username=x', 'refused', undefined],
  ['up=/bin/evil', 'refused', undefined],
  ['[ipv4]\nmethod=auto', 'honoured', undefined],
  ['[ipv4]\nmethod=manual', 'ignored', undefined],
  ['[ipv4]\ndns=192.168.10.1;192.168.10.2;', 'honoured', 'dhcp-option DNS 192.168.10.2'],
  ['[ipv6]\ndns=fd00::1;', 'honoured', 'dhcp-option DNS fd00::1'],
  ['[ipv4]\ndns=dns.example;', 'refused', undefined],
  ['[ipv4]\ndns-search=office.example;~.;', 'honoured', 'dhcp-option DOMAIN-SEARCH office.example'],
  ['[ipv4]\ndns-search=a b;', 'refused', undefined],
  ['[ipv4]\nroute1=10.20.0.0/14,10.8.0.1,50', 'honoured', 'route 10.20.0.0 255.252.0.0'],
  ['[ipv6]\nroute1=fd00:11::/64', 'honoured', 'route-ipv6 fd00:11::/64'],
  ['[ipv4]\nroute1=fd00:11::/64', 'refused', undefined],
  ['[ipv4]\nroute1_options=mtu=1000', 'ignored', undefined],
  ['[ipv4]\nnever-default=true', 'honoured', 'pull-filter ignore redirect-gateway'],
  ['[ipv4]\nnever-default=false', 'honoured', undefined],
  ['[ipv4]\nignore-auto-routes=true', 'honoured', 'pull-filter ignore "route "'],
  ['[ipv6]\nignore-auto-routes=true', 'honoured', 'pull-filter ignore "route-ipv6 "'],
  ['[ipv4]\nignore-auto-dns=true', 'honoured', 'pull-filter ignore "dhcp-option DNS"'],
  ['[ipv4]\naddress1=10.0.0.2/24', 'ignored', undefined],
  ['[ipv6]\naddr-gen-mode=default', 'ignored', undefined],
  ['[proxy]\nmethod=auto', 'ignored', undefined],
  ['[vpn-secrets]\npassword=unused', 'ignored', undefined],
  ['[vpn-secrets]\ncert-pass=hidden', 'honoured', '<askpass>'],
  ['[vpn-secrets]\nhttp-proxy-password=x', 'refused', undefined],
]

t.test('each key', async (t) => {
  const folder = folderWithKeys(t)
  for (const [lines, verdict, line] of TABLE) {
    const [last = ''] = lines.split('\n').slice(-1)
    const base = lines.startsWith('remote=') ? BASE.replace('remote=vpn.example\n', '') : BASE
    const { directives, text, report } = read(folder, keyfile(lines, base + TLS))
    const key = last.slice(0, last.indexOf('='))
    const found = directives.filter(({ name }) => name.endsWith(`] ${key}`)).at(-1)
    t.equal(found?.verdict, verdict, lines)
    if (verdict !== 'honoured') t.ok(found?.reason, 'and why')
    t.same(report.problems, [])
    if (line !== undefined) t.ok(text.split('\n').includes(line), `${line} in ${text}`)
  }
})

t.test('the whole of a usual file, in its order', async (t) => {
  const folder = folderWithKeys(t)
  const { options, directives, report } = read(
    folder,
    keyfile('port=443\nproto-tcp=yes\nta=ta.key\nta-dir=1\n[ipv4]\ndns=192.168.10.1;'),
  )
  t.same(report, { problems: [], warnings: [] })
  t.match(options, {
    remotes: [{ host: 'vpn.example', port: 443, transport: 'tcp' }],
    protection: { kind: 'tls-auth', direction: 1 },
    tls: { ca: [CERT], certificate: CERT, key: PRIVATE },
    asksPassword: false,
    directives: [['dhcp-option', 'DNS', '192.168.10.1']],
  })
  const lines = directives.map(({ line }) => line)
  t.same(
    lines,
    lines.toSorted((a, b) => a - b),
  )
  t.equal(directives.length, 15, 'every key of the file is told once')
  t.match(directives.at(-2), { name: '[vpn] ta-dir', verdict: 'honoured' })
})

t.test('connection types', async (t) => {
  const folder = folderWithKeys(t)
  const typed = (type: string, more: string) =>
    read(folder, keyfile(`connection-type=${type}\nca=ca.pem\n${more}`, BASE))
  const both = typed(
    'password-tls',
    'cert=me.pem\nkey=me.key\nusername=ann\n[vpn-secrets]\npassword=pw',
  )
  t.match(both.options, { username: 'ann', password: 'pw', tls: { certificate: CERT } })
  t.equal(both.username, undefined, 'it stands in the copy')
  const asked = typed('password', 'username=ann\ncert=me.pem\nkey=me.key\npassword-flags=2')
  t.match(asked.options, { asksPassword: true, password: undefined, tls: { ca: [CERT] } })
  t.notOk('certificate' in (asked.options?.tls ?? {}), 'as NetworkManager does')
  t.equal(asked.username, 'ann')
  const same = read(
    folder,
    keyfile('connection-type=tls\nca=me.p12\ncert=me.p12\nkey=me.p12', BASE),
  )
  t.match(same.text, /^pkcs12 me.p12$/m)
  t.match(typed('static-key', 'static-key=ta.key').report.problems, [
    { line: 12, message: /"secret" static keys are not supported/ },
  ])
})

t.test('escapes, and what could end a line or a block', async (t) => {
  const folder = folderWithKeys(t)
  const password = (value: string, name = 'ann') =>
    read(
      folder,
      keyfile(
        `connection-type=password\nca=ca.pem\nusername=${name}\n[vpn-secrets]\npassword=${value}`,
        BASE,
      ),
    )
  t.match(password('\\sa\\\\b "c"').options, { password: ' a\\b "c"' })
  t.match(password('a\\nremote evil.example').report.problems, [
    { message: /password has control characters/ },
  ])
  t.match(password('remote evil.example', '</auth-user-pass>').report.problems, [
    { message: /can't be the end of a block/ },
  ])
})

t.test('mistakes are told at the keyfile’s places', async (t) => {
  const folder = folderWithKeys(t)
  const problems = (more: string) =>
    read(folder, keyfile(more)).report.problems.map((problem) =>
      formatProblem(problem).replace(`${folder.path}/`, ''),
    )
  t.match(problems('tap-dev=yes'), [/^x.nmconnection:14:9: "dev" tap carries Ethernet frames/])
  t.match(problems('dev-type=tap'), [/^x.nmconnection:14:10: "dev-type" tap/])
  t.match(problems('fragment-size=1300'), [/:14:15: "fragment" changes every packet/])
  t.match(problems('ta=none.key'), [/:14:4: .*none.key/])
  t.match(problems('port=x'), [/:14:6: "port" needs a number/])
  t.match(problems('nonsense'), [/:14:1: is neither/])
  const none = read(folder, `${HEAD}${SERVICE}${TLS}`)
  t.match(none.report.problems.map(formatProblem), [/x.nmconnection: there is no "remote"/])
})

t.test('pvpn import', async (t) => {
  const folder = folderWithKeys(t)
  folder.write(
    'Office VPN.nmconnection',
    keyfile('connection-type=password-tls\nca=ca.pem\ncert=me.pem\nkey=me.key\nusername=ann', BASE),
  )
  const config = join(folder.path, 'etc/pvpn.yaml')
  const file = join(folder.path, 'Office VPN.nmconnection')
  const result = importFile({ file, name: undefined, config, dryRun: false })
  t.match(result, { name: 'office-vpn', kind: 'a NetworkManager keyfile for OpenVPN' })
  t.match(result.notes, [/the files that it names were put into the copy/, /asks for a password/])
  t.equal(result.copy, 'Office VPN.ovpn')
  t.equal(statSync(join(folder.path, 'etc/Office VPN.ovpn')).mode & 0o777, 0o600)
  t.match(
    folder.read('etc/pvpn.yaml'),
    'tunnel: { type: openvpn, file: Office VPN.ovpn, username: ann }',
  )
  const copy = folder.read('etc/Office VPN.ovpn')
  t.ok(copy.includes(CERT) && copy.includes(PRIVATE), 'whole without the files beside it')
  folder.write('bad.nmconnection', keyfile('tap-dev=yes'))
  const bad = join(folder.path, 'bad.nmconnection')
  t.throws(() => importFile({ file: bad, name: undefined, config, dryRun: false }), {
    code: 'ERR_CONFIG',
    message: /bad.nmconnection:14:9: "dev" tap/,
  })
})

t.test('any keyfile is survived, and no value becomes a directive', (t) => {
  const keys = [...new Set(TABLE.map(([lines]) => lines.split('\n').at(-1)?.split('=')[0] ?? ''))]
  const word = fc.constantFrom(
    ...['\n', '\n', '=', '=', '\\n', '\\s', '\\', '"', "'", ' ', ';', ',', ':', '#', '</askpass>'],
    ...['[vpn]', '[vpn-secrets]', '[ipv4]', '[ipv6]', '[connection]', 'up', '10.0.0.0/8', '</ca>'],
    ...[
      'connection-type',
      'password',
      'username',
      'ca',
      'cert',
      'key',
      'yes',
      'tls',
      '::/0',
      'up /x',
    ],
    ...keys,
  )
  const text = fc.oneof(
    fc.array(word, { maxLength: 60 }).map((parts) => parts.join('')),
    fc
      .tuple(fc.constantFrom(...keys), fc.string({ unit: 'binary', maxLength: 40 }))
      .map(([key, value]) => keyfile(`${key}=${value}`)),
    fc.string({ unit: 'binary' }),
  )
  const never = new Set(['up', 'down', 'plugin', 'script-security', 'config'])
  holds(
    t,
    fc.property(text, (keyfileText) => {
      fileKind(keyfileText)
      const { report, options, text: ovpn } = readKeyfileOvpn(keyfileText, '/nowhere/x')
      if (report.problems.length > 0) return options === undefined
      return readOvpnLines(ovpn).lines.every(({ name }) => !never.has(name))
    }),
  )
  t.end()
})
