/** The SSL-VPN client with Debian's ocserv: every way to log in, and every refusal with its words. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { eventually, labSkip } from '../support/namespace.js'
import { WEB, WEB_6 } from '../support/vpn-lab.js'
import {
  OPENCONNECT_PROGRAMS,
  OpenconnectLab,
  PASSWORD,
  pinOf,
  SERVER,
  SERVER_ADDRESS,
  stepsOf,
} from './openconnect-lab.js'

const skip = labSkip(...OPENCONNECT_PROGRAMS)

t.test('an SSL-VPN beside WireGuard', { skip, timeout: 600_000 }, async (t) => {
  const lab = await OpenconnectLab.create()
  t.teardown(() => lab.destroy())
  const gateway = lab.gateway()
  await lab.startServer()
  t.ok(await gateway.up(15), 'both come up')

  const { use, says, works } = stepsOf(gateway)

  await t.test('web and DNS inside, at the very addresses of the other environment', async (t) => {
    await works(t)
    t.match((await gateway.curl('site', 'http://www.site.example/')).stdout, /^site /)
    t.match((await gateway.curl('site', 'http://intranet.example/')).stdout, /^site /)
    t.match((await gateway.curl('site', 'http://www/')).stdout, /^site /, 'the default domain')
    t.match((await gateway.curl('site', `http://[${WEB_6}]/`)).stdout, /^site /)
    const { addresses, mtu, dns, tunnel } = (await gateway.environment('site')) as unknown as {
      addresses: string[]
      mtu: number
      dns: unknown
      tunnel: { type: string; endpoint: string }
    }
    t.equal(addresses[0], '192.168.9.52', 'the address of the other one, too')
    t.ok(mtu > 1300 && mtu <= 1500, `${mtu}`)
    t.match(dns, { servers: ['192.168.10.1'], search: ['site.example'] })
    t.match(tunnel, { type: 'openconnect', endpoint: `${SERVER_ADDRESS}:443` })
    t.match(gateway.stderr, /the server says: Welcome to the site/)
    const outside = await gateway.curl('site', 'http://192.168.13.10/')
    t.equal(outside.code, 97, 'no network of the tunnel')
    t.equal(
      (await gateway.curl('site', 'http://192.168.11.200/')).code,
      97,
      'taken out by the server',
    )
  })

  await t.test('we leave: the server is told', async (t) => {
    await gateway.pvpn('stop', 'site')
    t.ok(await eventually(() => /user disconnected \(reason: user disconnected/.test(lab.log)))
    await gateway.pvpn('start', 'site')
    await works(t)
  })

  await t.test('a password: wrong, missing', async (t) => {
    gateway.write('pw', 'wrong horse\n')
    await use(PASSWORD)
    await says(t, 'failed', /^auth failed: the server refused user "ann": Login failed/)
    t.equal(lab.log.match(/failed authentication/g)?.length ?? 1, 1, 'tried once')
    t.equal((await gateway.curl('site', `http://${WEB}/`)).code, 97)
    const { password_file: _, ...without } = PASSWORD
    await use(without)
    await says(t, 'failed', /^auth failed: vpn.example asks for "Password"/)
    const typed = await gateway.typing(
      ['start', 'site'],
      [
        [/site: Password: $/, 'wrong horse\r'],
        [/refused user "ann": Login failed.[\s\S]*Password: $/, 'right horse\r'],
      ],
    )
    t.equal(typed.status, 0, typed.screen)
    await works(t)
    gateway.write('pw', 'right horse\n')
    t.notMatch(gateway.stdout + gateway.stderr, /horse/, 'no password in logs')
  })

  await t.test('a connection of NetworkManager', async (t) => {
    gateway.write(
      'nm.nmconnection',
      [
        ...['[connection]', 'id=Office', 'type=vpn', ''],
        ...['[vpn]', 'service-type=org.freedesktop.NetworkManager.openconnect'],
        ...[`gateway=${SERVER}`, 'protocol=anyconnect', `cacert=${gateway.folder}/ca.pem`, ''],
        ...['[vpn-secrets]', 'form:main:username=ann', 'form:main:password=right horse', ''],
      ].join('\n'),
    )
    await gateway.pvpn('stop', 'site')
    const imported = await gateway.pvpn(
      'import',
      `${gateway.folder}/nm.nmconnection`,
      '--name',
      'nm',
    )
    t.equal(imported.code, 0, imported.stdout + imported.stderr)
    await gateway.pvpn('reload')
    t.ok(await gateway.reaches('nm', 'up', 20_000), JSON.stringify(await gateway.environment('nm')))
    const { listen } = (await gateway.environment('nm')) as unknown as {
      listen: { proxy: string[] }
    }
    const proxy = `socks5h://${listen.proxy[0]}`
    const argv = ['curl', '-sS', '-m', '20', '-x', proxy, `http://${WEB}/`]
    t.match((await lab.lab.client.run(argv)).stdout, /^site /)
    t.notMatch(gateway.stdout + gateway.stderr, /horse/)
  })

  await t.test('groups', async (t) => {
    const lines = [
      'select-group = staff[The staff]',
      'select-group = guests',
      'default-select-group = anybody',
    ]
    await lab.startServer({ lines })
    lab.group('guests', 'dns = 192.168.10.53')
    for (const authgroup of ['"The staff"', 'guests']) {
      await use({ ...PASSWORD, authgroup })
      await works(t)
    }
    const { dns } = (await gateway.environment('site')) as unknown as { dns: { servers: string[] } }
    t.ok(dns.servers.includes('192.168.10.53'), "the group's own settings")
    await use({ ...PASSWORD, authgroup: 'bosses' })
    await says(t, 'failed', /^authgroup "bosses" is none of the server's: .*The staff.*guests/)
  })

  await t.test('certificates of ours', async (t) => {
    await lab.startServer({ auth: ['auth = "certificate"'] })
    const own = { certificate: 'ann.pem', key: 'ann.key', ca: 'ca.pem' }
    await use(own)
    await works(t)
    const make = (...args: string[]) => execFileSync('openssl', args, { cwd: gateway.folder })
    make('ec', '-in', 'ann.key', '-aes256', '-passout', 'pass:secret', '-out', 'locked.key')
    make(
      ...['pkcs12', '-export', '-in', 'ann.pem', '-inkey', 'ann.key', '-passout', 'pass:secret'],
      ...['-out', 'ann.p12'],
    )
    execFileSync('chmod', [
      'a+r',
      join(gateway.folder, 'locked.key'),
      join(gateway.folder, 'ann.p12'),
    ])
    gateway.write('key.pw', 'secret\n')
    await use({ ...own, key: 'locked.key', key_password_file: 'key.pw' })
    await works(t)
    await use({ ...own, key: 'locked.key' })
    await says(t, 'failed', /^auth failed: the private key asks for "Password of the key"$/)
    const typed = await gateway.typing(
      ['start', 'site'],
      [
        [/site: Password of the key: $/, 'wrong\r'],
        [/does not open the private key[\s\S]*Password of the key: $/, 'secret\r'],
      ],
    )
    t.equal(typed.status, 0, typed.screen)
    await works(t)
    await use({ certificate: 'ann.p12', key_password_file: 'key.pw', ca: 'ca.pem' })
    await works(t)
    await use({ ca: 'ca.pem' })
    await says(t, 'failed', /certificate/)
    const auth = ['auth = "certificate"', `auth = "plain[passwd=${lab.passwords}]"`]
    await lab.startServer({ auth })
    await use({ ...own, ...PASSWORD })
    await works(t)
  })

  await t.test('the certificate of the server', async (t) => {
    const until = '20250101000000Z'
    const expired = lab.pki.issue('vpn.example', { from: '20240101000000Z', until })
    await lab.startServer({ identity: expired })
    await use(PASSWORD)
    await says(t, 'failed', /^certificate of vpn.example expired on 2025-01-01$/)
    const other = lab.pki.issue('evil.example')
    await lab.startServer({ identity: other })
    await use(PASSWORD)
    await says(t, 'failed', /^the certificate is of evil.example, not of vpn.example$/)
    const { ca: _, ...unknown } = PASSWORD
    await use(unknown)
    await says(
      t,
      'failed',
      /^the certificate of evil.example is signed by an authority that is not ours$/,
    )
    await use({ ...unknown, server_pin: `'${pinOf(lab.server)}'` })
    await says(
      t,
      'failed',
      /^the key of evil.example is another than server_pin says: it is pin-sha256:/,
    )
    t.notMatch(lab.log, /ann/, 'and nothing was said to it')
    await use({ ...unknown, server_pin: `'${pinOf(other)}'` })
    await works(t)
    await lab.startServer({ identity: lab.pki.issue('vpn.example', { usage: 'clientAuth' }) })
    await use(PASSWORD)
    await says(t, 'failed', /^the certificate of vpn.example is not a server certificate$/)
  })

  await t.test('nobody there, and then somebody', async (t) => {
    await lab.stopServer()
    await use(PASSWORD)
    await says(
      t,
      'starting',
      /^server unreachable: no TLS connection to 203.0.113.6:443 \(ECONNREFUSED\)$/,
    )
    await use({ ...PASSWORD, url: 'https://nowhere.example' })
    await says(t, 'starting', /^server unreachable: the name nowhere.example does not resolve$/)
    await lab.startServer()
    await use(PASSWORD)
    await works(t)
  })
})
