/** What a program is told when a connection fails, row by row of the proxy port's table, through a real tunnel. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { LabGateway, PORTS } from '../support/lab-gateway.js'
import { labSkip } from '../support/namespace.js'
import type { Probe } from '../support/proxy-probe.js'
import { dns, LAB_PROGRAMS, SITES, VpnLab, WEB, WEB_6 } from '../support/vpn-lab.js'

const PROBE = fileURLToPath(new URL('../support/proxy-probe.js', import.meta.url))
/** Seconds. */
const CONNECT_TIMEOUT = 2

const CONFIGURATION = `version: 1
environments:
  office:
    tunnel: { type: wireguard, file: office.conf }
    listen: 127.0.0.1:${PORTS.office}
    connect_timeout: ${CONNECT_TIMEOUT}
    dns: { zones: { silent.example: [192.168.10.2], refuses.example: [192.168.10.3, 192.168.10.4] } }
  site:
    tunnel: { type: wireguard, file: site.conf }
    listen: 127.0.0.1:${PORTS.site}
    users: [{ name: ann, password_file: ann.secret }]
`

interface Row {
  readonly what: string
  readonly host: string
  readonly port?: number
  readonly socks5: number
  readonly status: number
  /** Error type of Proxy-Status (RFC 9209). */
  readonly error: string
}

const ROWS: readonly Row[] = [
  {
    what: 'no such name',
    host: 'nothing.office.example',
    socks5: 4,
    status: 502,
    error: 'dns_error',
  },
  {
    what: 'a name of another network',
    host: 'www.site.example',
    socks5: 4,
    status: 502,
    error: 'dns_error',
  },
  {
    what: 'silent name server',
    host: 'www.silent.example',
    socks5: 1,
    status: 504,
    error: 'dns_timeout',
  },
  {
    what: 'name servers that refuse',
    host: 'www.refuses.example',
    socks5: 1,
    status: 504,
    error: 'dns_timeout',
  },
  {
    what: 'refused, IPv4',
    host: WEB,
    port: 81,
    socks5: 5,
    status: 502,
    error: 'connection_refused',
  },
  {
    what: 'refused, IPv6',
    host: WEB_6,
    port: 81,
    socks5: 5,
    status: 502,
    error: 'connection_refused',
  },
  {
    what: 'refused, by name',
    host: 'www.office.example',
    port: 81,
    socks5: 5,
    status: 502,
    error: 'connection_refused',
  },
  {
    what: 'ICMP host unreachable',
    host: '10.9.0.1',
    socks5: 4,
    status: 502,
    error: 'destination_ip_unroutable',
  },
  {
    what: 'ICMPv6 address unreachable',
    host: 'fd00:19::1',
    socks5: 4,
    status: 502,
    error: 'destination_ip_unroutable',
  },
  {
    what: 'ICMP network unreachable',
    host: '10.9.0.3',
    socks5: 3,
    status: 502,
    error: 'destination_ip_unroutable',
  },
  {
    what: 'ICMPv6 no route',
    host: 'fd00:19::3',
    socks5: 3,
    status: 502,
    error: 'destination_ip_unroutable',
  },
  {
    what: 'outside of AllowedIPs',
    host: '10.77.0.1',
    socks5: 3,
    status: 502,
    error: 'destination_ip_unroutable',
  },
  {
    what: 'outside of AllowedIPs, IPv6',
    host: '2001:db8::1',
    socks5: 3,
    status: 502,
    error: 'destination_ip_unroutable',
  },
  { what: 'no answer', host: '10.9.0.2', socks5: 6, status: 504, error: 'connection_timeout' },
  {
    what: 'no answer, IPv6',
    host: 'fd00:19::2',
    socks5: 6,
    status: 504,
    error: 'connection_timeout',
  },
]

t.test(
  'every failure is told as what it is',
  { skip: labSkip(...LAB_PROGRAMS), timeout: 600_000 },
  async (t) => {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const { office } = lab.sites
    await office.ip(`address add 192.168.10.2/32 dev lo
      address add 192.168.10.3/32 dev lo
      address add 192.168.10.4/32 dev lo
      route add blackhole 10.9.0.2/32
      route add blackhole fd00:19::2/128`)
    // A router that answers each of the attempts made at once, not one in a second.
    const settings = {
      'ipv4/ip_forward': 1,
      'ipv6/conf/all/forwarding': 1,
      'ipv4/icmp_ratelimit': 0,
      'ipv6/icmp/ratelimit': 0,
    }
    for (const [file, value] of Object.entries(settings)) {
      await office.check(['sh', '-c', `echo ${value} > /proc/sys/net/${file}`])
    }
    await office.check(['nft', '-f', '-'], {
      input: `add table inet far
        add chain inet far input { type filter hook input priority 0; }
        add rule inet far input ip daddr 192.168.10.2 drop
        add chain inet far forward { type filter hook forward priority 0; }
        add rule inet far forward ip daddr 10.9.0.1 reject with icmp host-unreachable
        add rule inet far forward ip daddr 10.9.0.3 reject with icmp net-unreachable
        add chain inet far before { type filter hook prerouting priority 0; }
        add rule inet far before ip6 daddr fd00:19::1 reject with icmpv6 addr-unreachable
        add rule inet far before ip6 daddr fd00:19::3 reject with icmpv6 no-route\n`,
    })
    // Without a server to ask, dnsmasq refuses what it does not know itself.
    for (const address of ['192.168.10.3', '192.168.10.4']) {
      await dns(office, address, { 'known.example': [WEB] }, { refuse: true })
    }
    const gateway = new LabGateway(lab, CONFIGURATION)
    gateway.write('ann.secret', 'correct horse\n')
    const file = readFileSync(lab.files.office, 'utf8')
    gateway.write(
      'office.conf',
      file.replace('fd00:11::/64', 'fd00:11::/64, 10.9.0.0/24, fd00:19::/64'),
    )
    await lab.cut('site', true)
    const since = Date.now()
    t.notOk(await gateway.up(7), 'status --wait: an environment that is not up is not ready')
    t.ok(Date.now() - since < 20_000, 'and that is said once the time is over')

    const probe = async (port: number, host: string, target = 80, user?: string) => {
      const argv = [process.execPath, PROBE, String(port), host, String(target)]
      const out = await lab.client.check([...argv, ...(user === undefined ? [] : [user])], {
        timeout: 50_000,
      })
      return JSON.parse(out) as Probe
    }

    await t.test('environment not up', async (t) => {
      t.equal((await gateway.environment('office')).state, 'up')
      const tried = new RegExp(`${SITES.site.public}:${SITES.site.port}`)
      const { found, seen } = await gateway.says('site', 'starting', tried)
      t.ok(found, `what was tried: ${seen}`)
      const got = await probe(PORTS.site, WEB, 80, 'ann:correct horse')
      t.match(got.socks5, { method: 2, auth: 0, reply: 3 })
      for (const answer of [got.connect, got.get]) {
        t.equal(answer.status, 503)
        t.match(answer.proxyStatus, /^pvpn; error=destination_unavailable; details="/)
        t.match(answer.body, /environment site\b/)
        t.match(answer.body, new RegExp(SITES.site.public), 'the page says what was tried')
      }
      t.ok(got.milliseconds < 2000, `at once: ${got.milliseconds} ms`)
    })

    for (const { what, host, port = 80, socks5, status, error } of ROWS) {
      await t.test(`${what}: ${host}`, async (t) => {
        const got = await probe(PORTS.office, host, port)
        t.match(got.socks5, { method: 0, reply: socks5 })
        t.equal(got.socks4, host.includes(':') ? null : 91)
        for (const answer of [got.connect, got.get]) {
          t.equal(answer.status, status)
          t.match(answer.proxyStatus, new RegExp(`^pvpn; error=${error}; details="`))
          t.match(answer.body, /\(pvpn, environment office\)/)
          t.notMatch(answer.body, /^\s*$/)
        }
      })
    }

    await t.test('the only name server has gone', async (t) => {
      await office.check(['nft', 'add rule inet far input ip daddr 192.168.10.1 drop'])
      const got = await probe(PORTS.office, 'unasked.office.example')
      t.equal(got.socks5.reply, 1)
      t.equal(got.socks4, 91)
      t.equal(got.get.status, 504)
      await office.check(['nft', 'flush chain inet far input'])
      t.match((await gateway.curl('office', 'http://only6.office.example/')).stdout, /^office /)
    })

    await t.test('users', async (t) => {
      await lab.cut('site', false)
      t.ok(await gateway.reaches('site', 'up', 15_000), 'up once its endpoint answers')
      const wrong = await probe(PORTS.site, WEB, 80, 'ann:wrong')
      t.match(wrong.socks5, { method: 2, auth: 1, reply: -1 })
      const missing = await probe(PORTS.site, WEB)
      t.match(missing.socks5, { method: 0xff, reply: -1 })
      for (const answer of [wrong.connect, wrong.get, missing.connect, missing.get]) {
        t.equal(answer.status, 407)
        t.match(answer.body, /environment site\b/)
      }
      t.equal(missing.socks4, 93, 'SOCKS4 has no password')
      const right = await probe(PORTS.site, WEB, 80, 'ann:correct horse')
      t.match(right, { socks5: { method: 2, auth: 0, reply: 0 }, connect: { status: 200 } })
      t.match(right.get.body, /^site /)
    })

    t.equal(await gateway.down(), 0)
  },
)
