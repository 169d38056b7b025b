import { mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type ImportRequest, importFile } from '../../src/config/import/import.js'
import { nameFromFile } from '../../src/config/import/name.js'
import { loadConfig } from '../../src/config/load.js'
import type { PvpnError } from '../../src/core/errors.js'
import { Folder, KEY, PEER, WG } from './support.js'

function run(folder: Folder, file: string, options: Partial<ImportRequest> = {}) {
  const config = join(folder.path, 'etc', 'pvpn.yaml')
  return importFile({
    file: join(folder.path, file),
    name: undefined,
    config,
    dryRun: false,
    ...options,
  })
}

function mode(folder: Folder, name: string): string {
  return (statSync(join(folder.path, name)).mode & 0o777).toString(8)
}

t.test('two files are a whole set-up', async (t) => {
  const folder = new Folder(t)
  folder.write('office.conf', `${WG}`, 0o644)
  folder.write('site.conf', WG.replace('.9.52', '.9.53'), 0o644)
  t.match(run(folder, 'office.conf'), { name: 'office', listen: ['127.0.0.1:1081'], notes: [] })
  t.match(run(folder, 'site.conf'), { name: 'site', listen: ['127.0.0.1:1082'] })
  t.equal(
    folder.read('etc/pvpn.yaml'),
    `version: 1
environments:
  office:
    tunnel: { type: wireguard, file: office.conf }
    listen: 127.0.0.1:1081
  site:
    tunnel: { type: wireguard, file: site.conf }
    listen: 127.0.0.1:1082
`,
  )
  t.equal(mode(folder, 'etc'), '700')
  for (const name of ['pvpn.yaml', 'office.conf', 'site.conf']) {
    t.equal(mode(folder, `etc/${name}`), '600', name)
  }
  t.equal(folder.read('etc/office.conf'), WG)
  t.strictSame(readdirSync(join(folder.path, 'etc')).sort(), [
    'office.conf',
    'pvpn.yaml',
    'site.conf',
  ])
  const loaded = await loadConfig(join(folder.path, 'etc/pvpn.yaml'), { secrets: true })
  t.strictSame([loaded.problems, loaded.warnings], [[], []])
})

t.test('comments, order, spacing and line ends stay byte for byte', async (t) => {
  const added = (indent: string, end = '\n') =>
    `${indent}office:${end}${indent}  tunnel: { type: wireguard, file: office.conf }${end}${indent}  listen: 127.0.0.1:1082${end}`
  const cases: readonly (readonly [before: string, after: string, end?: string])[] = [
    [
      '# mine\nenvironments: # all\n    # the house\n    home:   # keep\n        tunnel:   {type: direct}   # odd\n\n        listen:   127.0.0.1:1081\n        # about home\n    # about all\n\n# rules\npolicy: {default:   deny}\n',
      '    # about all\n',
    ],
    ['environments:\n  home: { tunnel: { type: direct }, listen: 127.0.0.1:1081 } # x\n', ''],
    ['environments:\n  home: { tunnel: { type: direct }, listen: 127.0.0.1:1081 }', ''],
    [
      'environments:\r\n  home:\r\n    tunnel: { type: direct }\r\n    listen: 127.0.0.1:1081\r\nversion: 1\r\n',
      'version: 1\r\n',
      '\r\n',
    ],
    [
      'environments:\n  home:\n    tunnel:\n      type: direct\n    listen:\n    - 127.0.0.1:1081\n\n\nversion: 1\n',
      '\n\nversion: 1\n',
    ],
  ]
  for (const [before, behind, end] of cases) {
    const folder = new Folder(t)
    folder.write('office.conf', WG)
    folder.write('etc/pvpn.yaml', before)
    run(folder, 'office.conf')
    const at = before.length - (behind === '' ? 0 : before.length - before.indexOf(behind))
    const indent = /^( +)home/m.exec(before)?.[1] ?? ''
    const newline = before.endsWith('\n') || behind !== '' ? '' : '\n'
    t.equal(
      folder.read('etc/pvpn.yaml'),
      before.slice(0, at) + newline + added(indent, end) + before.slice(at),
    )
  }
})

t.test('forms that need writing anew keep comments and order', async (t) => {
  for (const [before, after] of [
    [
      '# top\nenvironments: {}\n# end\n',
      '# top\nenvironments:\n  office:\n    tunnel: { type: wireguard, file: office.conf }\n    listen: 127.0.0.1:1081\n\n# end\n',
    ],
    [
      'environments:\nversion: 1 # one\n',
      'environments:\n  office:\n    tunnel: { type: wireguard, file: office.conf }\n    listen: 127.0.0.1:1081\nversion: 1 # one\n',
    ],
    [
      '# nothing yet\n',
      '# nothing yet\n\nversion: 1\nenvironments:\n  office:\n    tunnel: { type: wireguard, file: office.conf }\n    listen: 127.0.0.1:1081\n',
    ],
  ] as const) {
    const folder = new Folder(t)
    folder.write('office.conf', WG)
    folder.write('etc/pvpn.yaml', before)
    run(folder, 'office.conf')
    const written = folder.read('etc/pvpn.yaml')
    t.equal(written.replace(/\n+/g, '\n'), after.replace(/\n+/g, '\n'))
  }
})

t.test('names are valid and unique, ports are free in the file', async (t) => {
  const folder = new Folder(t)
  folder.write('office.conf', WG)
  folder.write(
    'etc/pvpn.yaml',
    `control: { listen: '127.0.0.1:1083' }\nenvironments:\n  office:\n    tunnel: { type: direct }\n    listen: [127.0.0.1:1081, 127.0.0.2:1082]\n    forwards: [{ listen: '[::1]:1084', to: 'a:1' }]\n`,
  )
  t.match(run(folder, 'office.conf'), { name: 'office-2', listen: ['127.0.0.1:1085'] })
  t.match(run(folder, 'office.conf', { name: 'x' }), { name: 'x', copy: 'office.conf' })
  const refused = (name: string) => {
    try {
      run(folder, 'office.conf', { name })
      return undefined
    } catch (error) {
      return (error as PvpnError).message.replace(`${folder.path}/`, '')
    }
  }
  t.equal(refused('x'), 'etc/pvpn.yaml has an environment "x" already')
  t.match(refused('X y'), /^"X y" is not a name for an environment/)
  const taken = new Set(['vpn', 'a'.repeat(32)])
  for (const [file, name] of [
    ['/x/Office VPN (2).conf', 'office-vpn-2'],
    ['wg0.conf', 'wg0'],
    ['--.conf', 'vpn-2'],
    ['Müller_Söhne.nmconnection', 'muller-sohne'],
    [`${'a'.repeat(40)}.conf`, `${'a'.repeat(30)}-2`],
    ['deny.conf', 'vpn-2'],
    ['日本.conf', 'vpn-2'],
    ['.conf', 'conf'],
  ] as const) {
    t.equal(nameFromFile(file, taken), name, file)
  }
})

t.test('no different file is written over', async (t) => {
  const folder = new Folder(t)
  folder.write('office.conf', WG)
  folder.write('etc/office.conf', 'mine\n', 0o644)
  t.match(run(folder, 'office.conf'), { copy: 'office-2.conf' })
  t.equal(folder.read('etc/office.conf'), 'mine\n')
  t.equal(mode(folder, 'etc/office.conf'), '644')
  folder.write('etc/same.conf', WG, 0o644)
  t.match(run(folder, 'etc/same.conf'), { copy: 'same.conf' })
  t.equal(mode(folder, 'etc/same.conf'), '600')
  folder.write('$(rm -rf x).conf', `${WG}# other\n`)
  t.match(run(folder, '$(rm -rf x).conf'), { name: 'rm-rf-x', copy: 'rm-rf-x.conf' })
})

t.test('a dry run, a refusal or a failure changes nothing', async (t) => {
  const folder = new Folder(t)
  folder.write('office.conf', WG)
  t.match(run(folder, 'office.conf', { dryRun: true }), { name: 'office', copy: 'office.conf' })
  t.strictSame(readdirSync(folder.path), ['office.conf'])
  const before = '# mine\nenvironments: { a: { tunnel: { type: direct } } }\n'
  folder.write('etc/pvpn.yaml', before)
  folder.write('bad.conf', WG.replace('PrivateKey', 'PrivatKey'))
  folder.write('a.ovpn', 'client\ndev tap\nremote vpn.example 1194\n')
  folder.write('x.txt', 'hello\n')
  folder.write('vpn.nmconnection', '[connection]\nid=x\ntype=vpn\n[vpn]\nservice-type=org.x\n')
  const refusals = [
    [
      'bad.conf',
      /bad.conf:2:1: unknown key "PrivatKey" in \[Interface\]; did you mean "PrivateKey"\?/,
    ],
    ['a.ovpn', /a.ovpn:2:1: "dev" tap carries Ethernet frames/],
    ['x.txt', /x.txt is no tunnel file that pvpn knows/],
    ['vpn.nmconnection', /NetworkManager keyfile of a type that is not supported/],
    ['nope.conf', /nope.conf does not exist/],
    ['.', /is not a regular file/],
  ] as const
  for (const [file, words] of refusals) {
    t.throws(() => run(folder, file), { code: 'ERR_CONFIG', message: words }, file)
  }
  folder.write('etc/pvpn.yaml', 'environments: [\n')
  t.throws(() => run(folder, 'office.conf'), {
    message: /pvpn.yaml:2:1: wrong indentation, or a closing bracket is missing above$/,
  })
  folder.write('etc/pvpn.yaml', 'environments: [a]\n')
  t.throws(() => run(folder, 'office.conf'), {
    code: 'ERR_CONFIG',
    message: /without changing the rest/,
  })
  t.strictSame(readdirSync(join(folder.path, 'etc')), ['pvpn.yaml'])
  t.equal(folder.read('etc/pvpn.yaml'), 'environments: [a]\n')
})

t.test('a folder that can not be made is told', async (t) => {
  const folder = new Folder(t)
  const file = folder.write('office.conf', WG)
  t.throws(() => run(folder, 'office.conf', { config: join(file, 'etc', 'pvpn.yaml') }), {
    code: 'ERR_DENIED',
    message: /^can't write .* \(ENOTDIR\)$/,
  })
})

t.test('a configuration behind a link is replaced where it is, and becomes private', async (t) => {
  const folder = new Folder(t)
  folder.write('office.conf', WG)
  folder.write('dots/real.yaml', 'environments:\n  a: { tunnel: { type: direct } }\n', 0o644)
  mkdirSync(join(folder.path, 'etc'))
  symlinkSync('../dots/real.yaml', join(folder.path, 'etc/pvpn.yaml'))
  run(folder, 'office.conf')
  t.match(folder.read('dots/real.yaml'), /office:/)
  t.equal(mode(folder, 'dots/real.yaml'), '600')
  t.match(await loadConfig(join(folder.path, 'etc/pvpn.yaml'), { secrets: false }), {
    problems: [],
  })
})

t.test('wireproxy files bring their ports, users, forwards and services', async (t) => {
  const folder = new Folder(t)
  const wireproxy = (socks: string) => `${WG}
[Socks5]
BindAddress = ${socks}
Username = ann
Password = hunter2

[http]
BindAddress = 127.0.0.1:25345

[TCPClientTunnel]
BindAddress = :25565
Target = play.example:25565

[UDPProxyTunnel]
BindAddress = 127.0.0.1:5300
Target = 192.168.10.1:53
InactivityTimeout = 60

[TCPServerTunnel]
ListenPort = 3422
Target = localhost:25545

[STDIOTunnel]
Target = ssh.example:22
`
  folder.write('wp.conf', wireproxy('0.0.0.0:1081'))
  const result = run(folder, 'wp.conf')
  t.strictSame(result.notes, [
    '127.0.0.1:25565 instead of 0.0.0.0:25565: without users for this machine only',
  ])
  t.strictSame(
    result.directives.filter((d) => d.verdict !== 'honoured').map((d) => d.name),
    ['[UDPProxyTunnel] InactivityTimeout', '[STDIOTunnel] Target'],
  )
  t.notMatch(result.lines, /hunter2/)
  const { options, problems } = await loadConfig(join(folder.path, 'etc/pvpn.yaml'), {
    secrets: false,
  })
  t.strictSame(problems, [])
  t.match(options?.environments[0], {
    listen: [
      { address: '0.0.0.0', port: 1081 },
      { address: '127.0.0.1', port: 25345 },
    ],
    users: [{ name: 'ann', password: 'hunter2' }],
    forwards: [
      { listen: { port: 25565 }, to: { host: 'play.example' }, protocol: 'tcp' },
      { listen: { port: 5300 }, to: { host: '192.168.10.1', port: 53 }, protocol: 'udp' },
    ],
    publish: [{ port: 3422, to: { host: 'localhost', port: 25545 } }],
  })
  folder.write('wp2.conf', wireproxy('127.0.0.1:1081').replace(/Username.*\nPassword.*\n/, ''))
  t.match(run(folder, 'wp2.conf'), {
    listen: ['127.0.0.1:1082', '127.0.0.1:25346'],
    notes: [
      '127.0.0.1:1082 instead of 127.0.0.1:1081: the port is taken',
      '127.0.0.1:25346 instead of 127.0.0.1:25345: the port is taken',
      '127.0.0.1:25566 instead of 0.0.0.0:25565: without users for this machine only',
      '127.0.0.1:5301 instead of 127.0.0.1:5300: the port is taken',
    ],
  })
  folder.write('wp3.conf', `${WG}[Socks5]\nBindAddress = nonsense\n`)
  t.throws(() => run(folder, 'wp3.conf'), {
    message: /wp3.conf:10:15: "nonsense" is not ADDRESS:PORT/,
  })
})

t.test('a NetworkManager keyfile is used as it is', async (t) => {
  const folder = new Folder(t)
  folder.write(
    'Office.nmconnection',
    `[connection]\ntype=wireguard\n[wireguard]\nprivate-key=${KEY}\n[wireguard-peer.${PEER}]\nallowed-ips=::/0\nendpoint=a.example:1\n[ipv4]\naddress1=10.0.0.2/24\n`,
  )
  t.match(run(folder, 'Office.nmconnection'), { name: 'office', kind: 'a NetworkManager keyfile' })
  const { problems } = await loadConfig(join(folder.path, 'etc/pvpn.yaml'), { secrets: false })
  t.strictSame(problems, [])
})

t.test('scripts are refused in the report, and never run', async (t) => {
  const folder = new Folder(t)
  const touch = `touch ${folder.path}/ran`
  const scripts = ['PreUp', 'PostUp', 'PreDown', 'PostDown'].map((key) => `${key} = ${touch}\n`)
  folder.write('office.conf', WG.replace('[Peer]', `${scripts.join('')}[Peer]`))
  const { directives } = run(folder, 'office.conf')
  t.equal(directives.filter((d) => d.verdict === 'refused').length, 4)
  const { warnings } = await loadConfig(join(folder.path, 'etc/pvpn.yaml'), { secrets: true })
  t.equal(warnings.length, 4)
  t.throws(() => folder.read('ran'))
})
