/** OpenVPN through other environments: UDP through WireGuard, TCP through an upstream proxy. */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { PORTS } from '../support/lab-gateway.js'
import { eventually, labSkip } from '../support/namespace.js'
import { SITES, WEB } from '../support/vpn-lab.js'
import { OPENVPN_PROGRAMS, OpenvpnLab, SERVER_ADDRESS } from './openvpn-lab.js'

const skip = labSkip(...OPENVPN_PROGRAMS, 'microsocks')
const PROXY = '192.168.12.1'

const configuration = (through: string) => `version: 1
environments:
  office: { tunnel: { type: wireguard, file: office.conf }, listen: 127.0.0.1:${PORTS.office} }
  outer: { tunnel: { type: socks5, server: '${PROXY}:1080' }, listen: 127.0.0.1:1083 }
  site: { tunnel: { type: openvpn, file: site.ovpn, through: ${through} }, listen: 127.0.0.1:${PORTS.site} }
`

t.test('OpenVPN through other environments', { skip, timeout: 600_000 }, async (t) => {
  const vpn = await OpenvpnLab.create()
  t.teardown(() => vpn.destroy())
  const { lab } = vpn
  const { office } = lab.sites
  // The office lets its clients out into the world.
  await office.check(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
  await office.check(['nft', '-f', '-'], {
    input: `add table ip out
      add chain ip out nat { type nat hook postrouting priority 100; }
      add rule ip out nat oifname eth0 masquerade\n`,
  })
  lab.router.spawn(['microsocks', '-i', PROXY, '-p', '1080'], { stdio: 'ignore' })
  const listens = await eventually(async () =>
    (await lab.router.run(['ss', '-ltn'])).stdout.includes(':1080 '),
  )
  t.ok(listens, 'the proxy runs')
  // Whatever goes to the server from the client itself is counted: there must be nothing.
  await lab.client.check(['nft', '-f', '-'], {
    input: `add table inet watch
      add chain inet watch out { type filter hook output priority 0; }
      add rule inet watch out ip daddr ${SERVER_ADDRESS} counter\n`,
  })
  const outside = async () =>
    /packets (\d+)/.exec(await lab.client.check(['nft', 'list', 'table', 'inet', 'watch']))?.[1]

  await vpn.startServer()
  const gateway = vpn.gateway(vpn.clientFile(), configuration('office'))
  t.teardown(() => gateway.down())
  const file = readFileSync(lab.files.office, 'utf8')
  gateway.write(
    'office.conf',
    file.replace('AllowedIPs = ', `AllowedIPs = ${SITES.site.public}/32, `),
  )
  /** Both sites by the same numbers, names of the upper one, and a body larger than any window at first. */
  const works = async (t: Test) => {
    t.match(await gateway.curl('site', `http://${WEB}/`), { stdout: /^site / })
    t.match(await gateway.curl('site', 'http://www.site.example/'), { stdout: /^site / })
    t.match(await gateway.curl('office', `http://${WEB}/`), { stdout: /^office / })
    const size = ['-o', '/dev/null', '-w', '%{size_download}']
    t.match(await gateway.curl('site', `http://${WEB}/big?n=2000000`, ...size), {
      stdout: '2000000',
    })
    t.equal(await outside(), '0', 'not one packet to the server by the host')
  }

  await t.test('UDP through WireGuard', async (t) => {
    t.ok(await gateway.up(30), JSON.stringify(await gateway.environment('site')))
    await works(t)
  })

  await t.test('TCP through SOCKS5', async (t) => {
    await vpn.startServer({ transport: 'tcp' })
    gateway.write('site.ovpn', vpn.clientFile({ transport: 'tcp' }))
    gateway.write('pvpn.yaml', configuration('outer'))
    await gateway.pvpn('reload')
    const server = await eventually(async () => vpn.log.includes(SITES.site.router), 20_000)
    t.ok(server, 'the server sees the proxy')
    t.ok(
      await gateway.reaches('site', 'up', 30_000),
      JSON.stringify(await gateway.environment('site')),
    )
    await works(t)
  })
})
