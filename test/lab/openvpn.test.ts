/** OpenVPN beside WireGuard with the same numbers: every protection, transport and cipher reaches the web and DNS inside. */
import t from 'tap'
import { labSkip } from '../support/namespace.js'
import { TUNNEL, WEB, WEB_6 } from '../support/vpn-lab.js'
import {
  type ClientOptions,
  OPENVPN_PROGRAMS,
  OpenvpnLab,
  SERVER_ADDRESS_6,
  SERVER_PORT,
  type ServerOptions,
} from './openvpn-lab.js'

interface Variant {
  readonly name: string
  readonly server: ServerOptions
  readonly client: ClientOptions
  /** What the server's log says. */
  readonly log: readonly RegExp[]
}

const VARIANTS: readonly Variant[] = [
  {
    name: 'UDP, AES-256-GCM, TLS 1.3',
    server: {},
    client: {},
    log: [/Data Channel: Cipher 'AES-256-GCM'/],
  },
  {
    name: 'UDP, tls-auth SHA256, AES-128-GCM, TLS 1.2',
    server: {
      protection: 'tls-auth',
      lines: ['auth SHA256', 'data-ciphers AES-128-GCM', 'tls-version-max 1.2'],
    },
    client: { protection: 'tls-auth', lines: ['auth SHA256'] },
    log: [
      /Control Channel: TLSv1\.2/,
      /Data Channel: Cipher 'AES-128-GCM'/,
      /message hash 'SHA256'/,
    ],
  },
  {
    name: 'UDP, tls-crypt, ChaCha20-Poly1305',
    server: { protection: 'tls-crypt', lines: ['data-ciphers CHACHA20-POLY1305'] },
    client: { protection: 'tls-crypt' },
    log: [/Data Channel: Cipher 'CHACHA20-POLY1305'/],
  },
  {
    name: 'UDP, tls-crypt-v2 with cookies, split DNS, a cipher of TLS 1.2 by its name',
    server: {
      protection: 'tls-crypt-v2',
      lines: [
        'tls-version-max 1.2',
        'push "dns server 1 address 192.168.10.1:53"',
        'push "dns server 1 resolve-domains site.example"',
        // Nobody is there: only what is of no zone asks it.
        'push "dns server 2 address 192.168.10.99"',
      ],
    },
    client: {
      protection: 'tls-crypt-v2',
      lines: ['tls-cipher TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256'],
    },
    log: [/Data Channel: Cipher 'AES-256-GCM'/, /cipher TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256/],
  },
  {
    name: 'UDP over IPv6, tls-auth',
    server: { protection: 'tls-auth', ipv6: true },
    client: { protection: 'tls-auth', remotes: [`${SERVER_ADDRESS_6} ${SERVER_PORT} udp6`] },
    log: [/Data Channel: Cipher 'AES-256-GCM'/, /fd42:1::51/],
  },
  {
    name: 'TCP over IPv6',
    server: { transport: 'tcp', ipv6: true },
    client: { remotes: [`${SERVER_ADDRESS_6} ${SERVER_PORT} tcp6`] },
    log: [/Data Channel: Cipher 'AES-256-GCM'/, /fd42:1::51/],
  },
  {
    name: 'TCP, tls-crypt, AES-256-GCM',
    server: { transport: 'tcp', protection: 'tls-crypt' },
    client: { transport: 'tcp', protection: 'tls-crypt' },
    log: [/Data Channel: Cipher 'AES-256-GCM'/],
  },
  {
    name: 'TCP, tls-crypt-v2, AES-256-CBC with SHA256',
    server: {
      transport: 'tcp',
      protection: 'tls-crypt-v2',
      lines: ['data-ciphers AES-256-CBC', 'auth SHA256'],
    },
    client: {
      transport: 'tcp',
      protection: 'tls-crypt-v2',
      lines: ['data-ciphers AES-256-GCM:AES-256-CBC', 'auth SHA256'],
    },
    log: [/Data Channel: Cipher 'AES-256-CBC'/, /message hash 'SHA256'/],
  },
  {
    name: 'UDP, AES-256-CBC with SHA1, net30, framing of compression',
    server: {
      topology: 'net30',
      lines: ['data-ciphers AES-256-CBC', 'comp-lzo no', 'push "comp-lzo no"'],
    },
    client: { lines: ['cipher AES-256-CBC', 'data-ciphers AES-256-CBC'] },
    log: [/Data Channel: Cipher 'AES-256-CBC'/, /message hash 'SHA1'/],
  },
]

t.test('every variant', { skip: labSkip(...OPENVPN_PROGRAMS), timeout: 600_000 }, async (t) => {
  const lab = await OpenvpnLab.create()
  t.teardown(() => lab.destroy())
  await lab.joinByIpv6()
  const gateway = lab.gateway(lab.clientFile())
  await lab.startServer()
  t.ok(await gateway.up(15), `both environments are up: ${gateway.stderr}`)
  t.match(gateway.stderr, /up is left out: scripts of a tunnel file are never run/)

  for (const { name, server, client, log } of VARIANTS) {
    await t.test(name, async (t) => {
      await lab.startServer(server)
      gateway.write('site.ovpn', lab.clientFile(client))
      await gateway.pvpn('reload')
      await gateway.pvpn('restart', 'site')
      const up = await gateway.reaches('site', 'up', 20_000)
      t.ok(up, `up: ${gateway.stderr.slice(-300)} ${lab.log.slice(-300)}`)
      const [site, office, named, six] = await Promise.all([
        gateway.curl('site', `http://${WEB}/`),
        gateway.curl('office', `http://${WEB}/`),
        gateway.curl('site', 'http://www/'),
        gateway.curl('site', `http://[${WEB_6}]/`),
      ])
      const own = server.topology === 'net30' ? '192.168.9.50' : TUNNEL
      t.equal(site.stdout, `site ${WEB} ${own} ${WEB}\n`)
      t.match(office.stdout, `office ${WEB} ${TUNNEL} ${WEB}\n`)
      t.match(named.stdout, /^site .* www\n$/, 'DNS through the tunnel, with its search domain')
      t.match(six.stdout, /^site fd00:11::10 fd00:9::/)
      const big = await gateway.curl(
        'site',
        `http://${WEB}/big?n=5000000`,
        '-o',
        '/dev/null',
        '-w',
        '%{size_download}',
      )
      t.equal(big.stdout, '5000000')
      for (const line of log) t.ok(line.test(lab.log), `the server's log has ${line}`)
      const outside = await gateway.curl('site', 'http://192.168.13.10/')
      t.equal(outside.code, 97, 'no route leads there: refused at once')
    })
  }
  t.equal((await gateway.environment('office')).state, 'up')
  t.equal(await gateway.down(), 0)
})
