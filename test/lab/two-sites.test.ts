/** The paper's promise, in its own topology: three networks with the same numbers at the same time. */
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { hostState, settledHostState } from '../support/host-state.js'
import { LabGateway } from '../support/lab-gateway.js'
import { labSkip } from '../support/namespace.js'
import { patternMd5 } from '../support/pattern.js'
import { LAB_PROGRAMS, TUNNEL, TUNNEL_6, VpnLab, WEB, WEB_6 } from '../support/vpn-lab.js'

const SOCKS_TOOL = fileURLToPath(new URL('../support/socks-tool.js', import.meta.url))
const MIB = 2 ** 20

t.test(
  'two sites and a local network with the same numbers',
  { skip: labSkip(...LAB_PROGRAMS, 'md5sum'), timeout: 600_000 },
  async (t) => {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const before = await settledHostState(lab.client)
    const gateway = new LabGateway(lab)
    const capture = lab.client.spawn(
      ['tcpdump', '-p', '-i', 'eth0', '-n', '-l', '-q', 'not arp and not icmp6'],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    )
    let packets = ''
    capture.stdout?.on('data', (b: Buffer) => {
      packets += b.toString()
    })
    t.ok(await gateway.up(), `all environments are up: ${gateway.stderr}`)
    const sites = ['office', 'site'] as const

    await t.test('by address, all at the same time', async (t) => {
      const [office, site, home, local] = await Promise.all([
        gateway.curl('office', `http://${WEB}/`),
        gateway.curl('site', `http://${WEB}/`),
        gateway.curl('home', `http://${WEB}/`),
        gateway.curl('none', `http://${WEB}/`),
      ])
      t.equal(office.stdout, `office ${WEB} ${TUNNEL} ${WEB}\n`)
      t.equal(site.stdout, `site ${WEB} ${TUNNEL} ${WEB}\n`)
      t.equal(home.stdout, `local ${WEB} 192.168.11.51 ${WEB}\n`)
      t.equal(local.stdout, `local ${WEB} 192.168.11.51 ${WEB}\n`)
    })

    await t.test('by the same name', async (t) => {
      const [office, site, home] = await Promise.all([
        gateway.curl('office', 'http://intranet.example/'),
        gateway.curl('site', 'http://intranet.example/'),
        gateway.curl('home', 'http://intranet.example/'),
      ])
      t.match(office.stdout, /^office .* intranet\.example\n$/)
      t.match(site.stdout, /^site .* intranet\.example\n$/)
      t.match(home.stdout, /^local .* intranet\.example\n$/)
    })

    await t.test('a name of one network does not exist in the other', async (t) => {
      t.match((await gateway.curl('office', 'http://www.office.example/')).stdout, /^office /)
      const other = await gateway.curl('site', 'http://www.office.example/')
      t.equal(other.code, 97, 'curl: the proxy says no such host')
      t.match((await gateway.curl('office', 'http://www/')).stdout, /^office /, 'search domain')
    })

    await t.test('reverse names come from each network', async (t) => {
      for (const site of sites) {
        const port = site === 'office' ? '1081' : '1082'
        const out = await lab.client.check([process.execPath, SOCKS_TOOL, port, 'ptr', WEB])
        t.match(out, new RegExp(`^(www\\.${site}|intranet)\\.example\n$`))
      }
    })

    await t.test('IPv6, by address and by a name that has nothing else', async (t) => {
      for (const site of sites) {
        const byAddress = await gateway.curl(site, `http://[${WEB_6}]/`)
        t.equal(byAddress.stdout, `${site} ${WEB_6} ${TUNNEL_6} [${WEB_6}]\n`)
        t.match((await gateway.curl(site, `http://only6.${site}.example/`)).stdout, /^office|^site/)
      }
    })

    await t.test('POST and 64 MiB in both directions', async (t) => {
      const post = await gateway.curl('office', `http://${WEB}/`, '-d', 'hello')
      t.equal(post.stdout, 'office 5 5d41402abc4b2a76b9719d911017c592\n')
      const md5 = patternMd5(64 * MIB)
      const transfer = (site: 'office' | 'site') =>
        lab.client.run(
          [
            'sh',
            '-c',
            `curl -sS -m 60 -x socks5h://127.0.0.1:${site === 'office' ? 1081 : 1082} 'http://${WEB}/big?n=${64 * MIB}' | tee ${lab.folder}/${site}.bin | md5sum; curl -sS -m 60 -x http://127.0.0.1:${site === 'office' ? 1081 : 1082} -T ${lab.folder}/${site}.bin http://${WEB}/`,
          ],
          { timeout: 150_000 },
        )
      const both = await Promise.all(sites.map(transfer))
      for (const [i, site] of sites.entries()) {
        t.equal(both[i]?.stdout, `${md5}  -\n${site} ${64 * MIB} ${md5}\n`)
      }
    })

    await t.test('status says what is true', async (t) => {
      const office = await gateway.environment('office')
      t.match(office, {
        state: 'up',
        error: null,
        addresses: [TUNNEL, TUNNEL_6],
        mtu: 1420,
        dns: { servers: ['192.168.10.1'], search: ['office.example'] },
        listen: { proxy: ['127.0.0.1:1081'], dns: [] },
        tunnel: { type: 'wireguard', endpoint: '203.0.113.2:51820' },
      })
      const bytes = office.tunnel.bytesIn as number
      t.ok(bytes > 64 * MIB && bytes < 80 * MIB, `bytes in: ${bytes}`)
    })

    t.equal(await hostState(lab.client), before, 'the host is as before while the gateway runs')
    t.equal(await gateway.down(), 0)
    t.equal(await hostState(lab.client), before, 'and afterwards')

    // What left by the client's link: the tunnels, and what went to the local network on purpose.
    capture.kill('SIGINT')
    await new Promise((resolve) => capture.once('exit', resolve))
    const allowed = [
      /IP 192\.168\.11\.51\.\d+ > 203\.0\.113\.2\.51820: UDP/,
      /IP 203\.0\.113\.2\.51820 > 192\.168\.11\.51\.\d+: UDP/,
      /IP 192\.168\.11\.51\.\d+ > 203\.0\.113\.6\.51821: UDP/,
      /IP 203\.0\.113\.6\.51821 > 192\.168\.11\.51\.\d+: UDP/,
      // The kernel's own multicast reports about the client's link.
      /IP6 fe80::\S+ > ff02::16: HBH ICMP6/,
      // curl without a proxy and the environment "home": the local web and the local DNS.
      /IP 192\.168\.11\.51\.\d+ > 192\.168\.11\.10\.80: tcp/,
      /IP 192\.168\.11\.10\.80 > 192\.168\.11\.51\.\d+: tcp/,
      /IP 192\.168\.11\.51\.\d+ > 192\.168\.12\.1\.53: UDP/,
      /IP 192\.168\.12\.1\.53 > 192\.168\.11\.51\.\d+: UDP/,
    ]
    const strange = packets
      .split('\n')
      .filter((line) => / IP6? /.test(line) && !allowed.some((a) => a.test(line)))
    t.same(strange.slice(0, 5), [], 'nothing else left the client')
    t.ok(packets.includes('203.0.113.2.51820'), 'the capture saw the tunnel')
  },
)
