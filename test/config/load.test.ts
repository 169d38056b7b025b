import t from 'tap'
import { Folder } from './support.js'

const DIRECT = '{ tunnel: { type: direct }, listen: 127.0.0.1:1081 }'

t.test('the whole file becomes frozen options', async (t) => {
  const folder = new Folder(t)
  folder.write('ann.secret', 'hunter2\n')
  const { options, problems, warnings } = await folder.check(`version: 1
control: { listen: 127.0.0.1:1090 }
environments:
  office:
    tunnel: { type: wireguard, file: office.conf }
    listen: 127.0.0.1:1081
    users: [{ name: ann, password_file: ann.secret }]
    dns:
      servers: [192.168.10.1, '[fd00::1]:5353']
      search: [Office.example.]
      zones: { lab.example: 192.168.10.7 }
      hosts: { Build.office.example: [192.168.11.20] }
      listen: 127.0.0.1:5381
    forwards: [{ listen: 127.0.0.1:15432, to: 'db.office.example:5432' }]
    publish: [{ port: 8080, to: '127.0.0.1:8080', protocol: udp }]
    start: on-demand
    connect_timeout: 2.5
  home: { tunnel: { type: direct }, listen: [127.0.0.1:1089, 'unix:run/home.sock'] }
policy:
  rules:
    - { program: /usr/bin/git, children: true, environment: office }
    - { domain: .Office.example, address: 10.20.3.4/16, port: 5432, environment: deny }
  default: home
`)
  t.strictSame(problems, [])
  const others =
    'pvpn.yaml:21:18: a gateway that is not root sees the programs of its own user only: for others use "user"'
  t.strictSame(warnings, process.getuid?.() === 0 ? [] : [others])
  const listen = (port: number) => ({ kind: 'tcp', address: '127.0.0.1', port }) as const
  const [office, home] = options?.environments ?? []
  t.match(options, { file: `${folder.path}/pvpn.yaml`, control: { listen: listen(1090) } })
  t.match(office, {
    name: 'office',
    tunnel: {
      type: 'wireguard',
      addresses: ['192.168.9.52/24'],
      mtu: 1420,
      listenPort: 0,
      peers: [{ endpoint: { host: '192.0.2.1', port: 51820 }, allowedIps: ['192.168.8.0/22'] }],
    },
    listen: [listen(1081)],
    users: [{ name: 'ann', password: 'hunter2' }],
    dns: {
      servers: [
        { address: '192.168.10.1', port: 53 },
        { address: 'fd00::1', port: 5353 },
      ],
      search: ['office.example'],
      zones: { 'lab.example': [{ address: '192.168.10.7', port: 53 }] },
      hosts: { 'build.office.example': ['192.168.11.20'] },
      listen: [listen(5381)],
    },
    forwards: [
      { listen: listen(15432), to: { host: 'db.office.example', port: 5432 }, protocol: 'tcp' },
    ],
    publish: [{ port: 8080, to: { host: '127.0.0.1', port: 8080 }, protocol: 'udp' }],
    start: 'on-demand',
    connectTimeout: 2.5,
    allowUnauthenticated: false,
  })
  t.match(home, {
    tunnel: { type: 'direct' },
    listen: [listen(1089), { kind: 'unix', path: `${folder.path}/run/home.sock` }],
    users: [],
    dns: { servers: undefined, search: undefined, listen: [] },
    start: 'always',
    connectTimeout: 15,
  })
  t.strictSame(options?.policy?.rules, [
    {
      source: `${folder.path}/pvpn.yaml:21`,
      program: '/usr/bin/git',
      children: true,
      environment: 'office',
    },
    {
      source: `${folder.path}/pvpn.yaml:22`,
      domain: ['.office.example'],
      address: ['10.20.0.0/16'],
      port: [5432],
      environment: 'deny',
    },
  ])
  t.match(options?.policy, { names: true, default: 'home', listen: [listen(1080)] })
  t.ok(Object.isFrozen(options))
  t.ok(Object.isFrozen(office?.dns.zones))
})

t.test('defaults are a control port and no policy', async (t) => {
  const { options } = await new Folder(t).check(`environments:\n  a: ${DIRECT}\n`)
  t.strictSame(options?.control, { listen: { kind: 'tcp', address: '127.0.0.1', port: 1090 } })
  t.equal(options?.policy, undefined)
  const none = await new Folder(t).check(
    `control: { listen: none }\nenvironments: { a: { tunnel: { type: direct } } }`,
  )
  t.strictSame(none.options?.control, { listen: undefined })
  t.strictSame(none.options?.environments[0]?.listen, [])
})

t.test('anchors, aliases and merge keys work', async (t) => {
  const { options, problems } = await new Folder(t).check(`environments:
  a: &base { tunnel: &t { type: direct }, start: on-demand, connect_timeout: 3 }
  b: { <<: *base, connect_timeout: 4 }
  c: { tunnel: { <<: *t }, start: always }
  d: { <<: [*base, { start: always }] }
`)
  t.strictSame(problems, [])
  t.strictSame(
    options?.environments.map(({ start, connectTimeout }) => [start, connectTimeout]),
    [
      ['on-demand', 3],
      ['on-demand', 4],
      ['always', 15],
      ['on-demand', 3],
    ],
  )
})

t.test('a listen port that two WireGuard files share is kept by the first', async (t) => {
  const folder = new Folder(t)
  const file = (peer: string) =>
    `[Interface]\nPrivateKey = uCTIK+56CPyCvwJxmU5dBfuyJvPuSXAq1FzHdnIxe1Q=\nAddress = 10.0.0.2\nListenPort = 51820\n[Peer]\nPublicKey = QP+A67Z2UBrMgvNIdHv8gPel5URWNLS4B3ZQ2hQIZlg=\nAllowedIPs = 0.0.0.0/0\n${peer}`
  folder.write('a.conf', file('Endpoint = x.example:1\n'))
  folder.write('b.conf', file('Endpoint = x.example:1\n'))
  folder.write('c.conf', file(''))
  const environment = (name: string) =>
    `  ${name}: { tunnel: { type: wireguard, file: ${name}.conf } }\n`
  const good = await folder.check(`environments:\n${environment('a')}${environment('b')}`)
  t.strictSame(good.warnings, [
    'b.conf:4:14: UDP port 51820 is taken already by the tunnel of "a": "b" takes any other',
  ])
  t.strictSame(
    good.options?.environments.map(
      ({ tunnel }) => tunnel.type === 'wireguard' && tunnel.listenPort,
    ),
    [51820, 0],
  )
  const bad = await folder.check(`environments:\n${environment('a')}${environment('c')}`)
  t.strictSame(bad.problems, ['c.conf:4:14: UDP port 51820 is taken already by the tunnel of "a"'])
})

t.test('files that can not be read are told as such', async (t) => {
  const folder = new Folder(t)
  t.strictSame((await folder.load()).problems, ['pvpn.yaml: does not exist'])
  folder.write('pvpn.yaml', Uint8Array.of(0xff, 0xfe, 0x41))
  t.strictSame((await folder.load()).problems, ['pvpn.yaml: is not UTF-8 text'])
  folder.write('pvpn.yaml', '#'.repeat(262_145))
  t.strictSame((await folder.load()).problems, ['pvpn.yaml: is larger than 262144 bytes'])
  folder.write('pvpn.yaml', '# nothing\n')
  t.strictSame((await folder.load()).problems, [
    'pvpn.yaml:1:1: the file is empty: "environments" is missing',
  ])
})

t.test('a configuration that anybody can change earns a warning', async (t) => {
  const folder = new Folder(t)
  folder.write('pvpn.yaml', `environments: { a: ${DIRECT} }`, 0o646)
  t.strictSame((await folder.load()).warnings, [
    'pvpn.yaml: anybody can change this file, and so make pvpn run commands: chmod o-w',
  ])
})
