/** NetworkManager's keyfiles for SSL-VPN servers: what becomes of each key, and the environment that comes out. */
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { importFile } from '../../src/config/import/import.js'
import { readKeyfileOpenconnect } from '../../src/config/import/keyfile-openconnect.js'
import { fileKind } from '../../src/config/import/kind.js'
import { loadConfig } from '../../src/config/load.js'
import { formatProblem } from '../../src/config/problem.js'
import { holds } from '../support/fuzz.js'
import { CERT, PRIVATE } from './openvpn-material.js'
import { Folder } from './support.js'

const BASE = `[connection]
id=Office
type=vpn

[vpn]
service-type=org.freedesktop.NetworkManager.openconnect
`
const GATEWAY = 'gateway=vpn.example\n'

/** Lines of [vpn] (or a section and its lines), the verdict, and the fields that come of it. */
const TABLE: readonly (readonly [string, 'honoured' | 'ignored' | 'refused', object?])[] = [
  ['gateway=vpn.example:8443/staff', 'honoured', { url: 'https://vpn.example:8443/staff' }],
  ['gateway=https://vpn.example', 'honoured', { url: 'https://vpn.example' }],
  ['protocol=anyconnect', 'honoured', { protocol: undefined }],
  ['protocol=gp', 'honoured', { protocol: 'gp', engine: 'openconnect' }],
  ['cacert=', 'ignored'],
  ['authtype=password', 'ignored'],
  ['disable_udp=yes', 'honoured'],
  ['disable_udp=no', 'ignored'],
  ['prevent_invalid_cert=no', 'ignored'],
  ['enable_csd_trojan=no', 'honoured'],
  ['enable_csd_trojan=yes', 'refused'],
  ['csd_wrapper=/bin/evil', 'refused'],
  ['proxy=http://proxy.example', 'refused'],
  ['pem_passphrase_fsid=no', 'honoured'],
  ['stoken_source=totp', 'refused'],
  ['mtu=1300', 'ignored'],
  ['cookie-flags=2', 'ignored'],
  ['usercrt=x', 'refused'],
  ['[vpn-secrets]\nform:main:username=ann', 'honoured', { username: 'ann' }],
  ['[vpn-secrets]\nform:main:password=p\\sw', 'honoured', { password: 'p w' }],
  ['[vpn-secrets]\nform:main:group_list=staff', 'honoured', { authgroup: 'staff' }],
  ['[vpn-secrets]\nform:main:answer=1', 'ignored'],
  ['[vpn-secrets]\ngateway=elsewhere.example', 'ignored', { url: 'https://vpn.example' }],
  ['[vpn-secrets]\ncookie=abc', 'ignored'],
  ['[ipv4]\nmethod=auto', 'honoured'],
  ['[ipv4]\ndns=nonsense;', 'refused'],
  ['[ipv4]\nroute1=10.0.0.0/8', 'ignored'],
  ['[ipv4]\nnever-default=true', 'ignored'],
  ['[proxy]\nmethod=auto', 'ignored'],
]

const read = (text: string, file = '/nowhere/x.nmconnection') => readKeyfileOpenconnect(text, file)

t.test('each key', async (t) => {
  for (const [lines, verdict, fields = {}] of TABLE) {
    const gateway = lines.startsWith('gateway=') ? '' : GATEWAY
    const { directives, fields: found, report } = read(`${BASE}${gateway}${lines}\n`)
    const last = lines.split('\n').at(-1) ?? ''
    const told = directives.filter(({ name }) => name.endsWith(`] ${last.split('=')[0]}`)).at(-1)
    t.equal(told?.verdict, verdict, lines)
    if (verdict !== 'honoured') t.ok(told?.reason, 'and why')
    t.match(found, fields)
    t.same(report.problems, [])
  }
})

t.test('mistakes', async (t) => {
  const problems = (more: string) => read(`${BASE}${more}\n`).report.problems.map(formatProblem)
  t.match(problems(''), [/x.nmconnection: there is no "gateway"/])
  t.match(problems('gateway=http://vpn.example'), [/:7:9: .* is not the address of a server/, /./])
  t.match(problems(`${GATEWAY}protocol=pgp`), [/:8:10: "pgp" is not supported: anyconnect, nc, gp/])
  t.match(problems(`${GATEWAY}cacert=none.pem`), [/:8:8: \/nowhere\/none.pem does not exist/])
  t.match(problems(`${GATEWAY}usercert=a\\nb`), [/control characters/])
})

t.test('pvpn import', async (t) => {
  const folder = new Folder(t)
  folder.write('ca.pem', CERT)
  folder.write('me.pem', CERT)
  folder.write('me.key', PRIVATE)
  folder.write(
    'Office.nmconnection',
    `${BASE}${GATEWAY}cacert=ca.pem\nusercert=me.pem\nuserkey=me.key\n[vpn-secrets]\nform:main:username=ann\nform:main:password=hidden word\n[ipv4]\ndns=192.168.10.1;\ndns-search=office.example;\n`,
  )
  const config = join(folder.path, 'etc/pvpn.yaml')
  const file = join(folder.path, 'Office.nmconnection')
  const result = importFile({ file, name: undefined, config, dryRun: false })
  t.match(result, { name: 'office', kind: 'a NetworkManager keyfile for openconnect' })
  t.equal(result.copy, undefined, 'there is nothing to copy')
  t.notMatch(JSON.stringify(result), /hidden/, 'the password is not told')
  const { options, problems, warnings } = await loadConfig(config, { secrets: true })
  t.same([problems, warnings], [[], []])
  t.match(options?.environments[0], {
    tunnel: {
      type: 'openconnect',
      place: { host: 'vpn.example', port: 443 },
      username: 'ann',
      password: 'hidden word',
      engine: 'native',
      tls: { ca: CERT, certificate: CERT, key: PRIVATE },
    },
    dns: { servers: [{ address: '192.168.10.1' }], search: ['office.example'] },
  })
})

t.test('any keyfile is survived', (t) => {
  const keys = TABLE.map(([lines]) => lines.split('\n').at(-1) ?? '')
  const word = fc.constantFrom(
    ...['\n', '\n', '=', '\\n', '\\s', '"', ' ', ';', ':', '#', '[vpn]', '[vpn-secrets]', '[ipv4]'],
    ...keys,
  )
  const text = fc.oneof(
    fc.array(word, { maxLength: 60 }).map((parts) => parts.join('')),
    fc
      .tuple(fc.constantFrom(...keys), fc.string({ unit: 'binary', maxLength: 40 }))
      .map(([key, value]) => `${BASE}${key.split('=')[0]}=${value}`),
    fc.string({ unit: 'binary' }),
  )
  holds(
    t,
    fc.property(text, (keyfile) => {
      fileKind(keyfile)
      const { report, fields } = read(keyfile)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      return report.problems.length > 0 || !/[\u0000-\u001f]/.test(Object.values(fields).join(''))
    }),
  )
  t.end()
})
