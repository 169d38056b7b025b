/**
 * Upstream proxies of Debian's, and tunnels through other environments: microsocks and tinyproxy inside
 * the office, danted and squid at the router; WireGuard through WireGuard and through SOCKS5.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { LabGateway, PVPN, unprivileged } from '../support/lab-gateway.js'
import { eventually, labSkip, type Namespace } from '../support/namespace.js'
import { Pki } from '../support/pki.js'
import { LAB_PROGRAMS, SITES, VpnLab, WEB } from '../support/vpn-lab.js'

const skip = labSkip(...LAB_PROGRAMS, 'microsocks', 'tinyproxy', 'danted', 'squid')

const PROXY = '192.168.10.1'
const OUTER = '192.168.12.1'

const configuration = (site: string) => `version: 1
environments:
  office: { tunnel: { type: wireguard, file: office.conf }, listen: 127.0.0.1:1081 }
  site: { tunnel: { type: wireguard, file: site.conf, through: ${site} }, listen: 127.0.0.1:1082 }
  socks:
    tunnel: { type: socks5, server: '${PROXY}:1080', username: ann, password_file: pw, through: office }
    listen: 127.0.0.1:1083
  http:
    tunnel: { type: http, server: '${PROXY}:8888', username: ann, password_file: pw, through: office }
    listen: 127.0.0.1:1084
  outer: { tunnel: { type: socks5, server: '${OUTER}:1080' }, listen: 127.0.0.1:1085 }
  squid: { tunnel: { type: http, server: '${OUTER}:3128' }, listen: 127.0.0.1:1086 }
  tls: { tunnel: { type: http, server: '${OUTER}:3129', tls: true, ca: ca.pem, server_name: proxy.example }, listen: 127.0.0.1:1087 }
  other: { tunnel: { type: http, server: '${OUTER}:3129', tls: true, ca: ca.pem, server_name: other.example }, listen: 127.0.0.1:1088, start: on-demand }
`

const DANTE = `logoutput: stderr
internal: ${OUTER} port = 1080
external: ${SITES.site.router}
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: root
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
`

const SQUID = (folder: string) => `http_port ${OUTER}:3128
https_port ${OUTER}:3129 tls-cert=${folder}/proxy.crt tls-key=${folder}/proxy.key
pid_filename none
coredump_dir ${folder}
cache deny all
access_log none
cache_log ${folder}/squid.log
http_access allow all
dns_nameservers ${OUTER}
shutdown_lifetime 0 seconds
`

const TINYPROXY = `Port 8888
Listen ${PROXY}
BasicAuth ann right-horse
Timeout 60
MaxClients 50
`

async function listens(ns: Namespace, port: number): Promise<void> {
  const found = await eventually(async () =>
    (await ns.run(['ss', '-ltn'])).stdout.includes(`:${port} `),
  )
  if (!found) throw new Error(`nothing listens on ${port} in ${ns.name}`)
}

t.test('chains of environments', { skip, timeout: 600_000 }, async (t) => {
  const lab = await VpnLab.create()
  t.teardown(() => lab.destroy())
  const { office } = lab.sites
  const place = (name: string, text: string) => {
    const path = join(lab.folder, name)
    writeFileSync(path, text)
    chmodSync(path, 0o644)
    return path
  }
  // The office lets its clients out into the world.
  await office.check(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
  await office.check(['nft', '-f', '-'], {
    input: `add table ip out
      add chain ip out nat { type nat hook postrouting priority 100; }
      add rule ip out nat oifname eth0 masquerade\n`,
  })
  const quiet = { stdio: 'ignore' } as const
  office.spawn(['microsocks', '-i', PROXY, '-p', '1080', '-u', 'ann', '-P', 'right-horse'], quiet)
  office.spawn(['tinyproxy', '-d', '-c', place('tinyproxy.conf', TINYPROXY)], quiet)
  lab.router.spawn(['danted', '-f', place('danted.conf', DANTE)], quiet)
  const pki = new Pki()
  t.teardown(() => pki.remove())
  const proxy = pki.issue('proxy.example')
  place('proxy.crt', proxy.certificate)
  place('proxy.key', proxy.key)
  lab.router.spawn(['squid', '-N', '-f', place('squid.conf', SQUID(lab.folder))], quiet)
  for (const port of [1080, 8888]) await listens(office, port)
  for (const port of [1080, 3128, 3129]) await listens(lab.router, port)
  // Whatever goes to the site from the client itself is counted: there must be nothing.
  await lab.client.check(['nft', '-f', '-'], {
    input: `add table inet watch
      add chain inet watch out { type filter hook output priority 0; }
      add rule inet watch out ip daddr { ${SITES.site.public}, ${PROXY} } counter\n`,
  })
  const outside = async () =>
    /packets (\d+)/.exec(await lab.client.check(['nft', 'list', 'table', 'inet', 'watch']))?.[1]

  const gateway = new LabGateway(lab, configuration('office'))
  gateway.write('pw', 'right-horse\n')
  gateway.write('ca.pem', pki.ca)
  const file = readFileSync(lab.files.office, 'utf8')
  gateway.write(
    'office.conf',
    file.replace('AllowedIPs = ', `AllowedIPs = ${SITES.site.public}/32, `),
  )
  t.teardown(() => gateway.down())
  t.ok(await gateway.up(30), `all are up: ${JSON.stringify((await gateway.status()).environments)}`)
  const get = async (port: number, url: string, ...more: string[]) => {
    const argv = ['curl', '-sS', '-m', '20', '-x', `socks5h://127.0.0.1:${port}`, ...more, url]
    const { stdout, stderr } = await lab.client.run(argv)
    return `${stdout}${stderr}`
  }

  await t.test('WireGuard through WireGuard: the same numbers, another network', async (t) => {
    t.match(await get(1081, `http://${WEB}/`), /^office /)
    t.match(await get(1082, `http://${WEB}/`), /^site /)
    t.match(await get(1082, 'http://www.site.example/'), /^site /, "the site's own DNS")
    const [lower, upper] = [await gateway.environment('office'), await gateway.environment('site')]
    t.ok(
      (upper as unknown as { mtu: number }).mtu <= (lower as unknown as { mtu: number }).mtu - 80,
    )
  })

  await t.test('SOCKS5 and HTTP with a password, through WireGuard', async (t) => {
    t.match(await get(1083, `http://${WEB}/`), /^office /)
    t.match(await get(1084, `http://${WEB}/`, '-p'), /^office /)
    t.match(await get(1083, 'http://192.168.10.1:9/'), /curl: \(97\)/, 'refused')
    gateway.write('pw', 'wrong-horse\n')
    await gateway.pvpn('reload')
    t.ok(await gateway.reaches('socks', 'failed', 15_000))
    t.match((await gateway.environment('socks')).error?.message, /^auth failed: /)
    // HTTP has no greeting: a password is looked at with the first request.
    t.ok(await gateway.reaches('http', 'up', 15_000))
    await get(1084, `http://${WEB}/`, '-p')
    t.ok(await gateway.reaches('http', 'failed', 15_000))
    t.match((await gateway.environment('http')).error?.message, /^auth failed: .*40[17]/)
    t.notMatch(gateway.stdout + gateway.stderr, /horse/, 'no password in logs')
    gateway.write('pw', 'right-horse\n')
    await gateway.pvpn('reload')
    t.ok(await gateway.reaches('socks', 'up', 15_000))
  })

  await t.test("programs under pvpn-wrap, whose connections are the far side's", async (t) => {
    const wrap = PVPN.replace(/pvpn$/, 'pvpn-wrap')
    for (const via of ['netns', 'preload']) {
      const argv = [wrap, '--via', via, 'socks', 'curl', '-sS', '-m', '15', `http://${WEB}/`]
      const { stdout, stderr } = await lab.client.run(unprivileged(argv), { env: gateway.env })
      t.match(`${stdout}${stderr}`, /^office /, via)
    }
  })

  await t.test('squid: names are its own, its refusals are told', async (t) => {
    t.match(await get(1086, 'http://192.168.13.10:443/'), /curl: \(97\)/)
    t.match(await get(1086, 'http://nowhere.example:443/'), /curl: \(97\)/)
    t.equal((await gateway.environment('squid')).state, 'up')
  })

  await t.test('TLS to squid, whose certificate must name it', async (t) => {
    t.match(await get(1087, 'http://192.168.13.10/'), /^local-13 /)
    t.equal((await gateway.environment('tls')).state, 'up')
    t.match(await get(1088, `http://${WEB}/`), /curl: \(97\)/)
    t.match((await gateway.environment('other')).error?.message, /certificate|other\.example/)
  })

  await t.test('the lower one stops and comes back', { timeout: 600_000 }, async (t) => {
    await gateway.pvpn('stop', 'office')
    // The next look comes within 30 s; a connection that does not reach the proxy brings it about at once.
    t.match(await get(1083, `http://${WEB}/`), /curl: \(97\)/)
    t.ok(await gateway.reaches('socks', 'down', 45_000))
    t.match((await gateway.environment('socks')).error?.message, /waits for environment "office"/)
    t.match(await get(1083, `http://${WEB}/`), /curl: \(97\)/, 'nothing goes elsewhere')
    await gateway.pvpn('start', 'office')
    t.ok(await gateway.reaches('office', 'up', 15_000))
    t.ok(await gateway.reaches('socks', 'up', 40_000))
    t.ok(await gateway.reaches('site', 'up', 40_000))
    t.match(await get(1082, `http://${WEB}/`), /^site /)
  })

  t.equal(await outside(), '0', 'not one packet to the site or the inner proxies by the host')

  await t.test("WireGuard through SOCKS5's UDP", async (t) => {
    gateway.write('pvpn.yaml', configuration('outer'))
    await gateway.pvpn('reload')
    t.ok(
      await gateway.reaches('site', 'up', 20_000),
      JSON.stringify(await gateway.environment('site')),
    )
    t.match(await get(1082, `http://${WEB}/`), /^site /)
    t.equal(await outside(), '0')
  })
})
