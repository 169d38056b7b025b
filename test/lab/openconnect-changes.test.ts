/** The SSL-VPN client while things change: new tunnels under a download, a server that restarts and moves, a path that breaks. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually, labSkip } from '../support/namespace.js'
import { patternMd5 } from '../support/pattern.js'
import { SITES, WEB } from '../support/vpn-lab.js'
import {
  configuration,
  OPENCONNECT_PROGRAMS,
  OpenconnectLab,
  PASSWORD,
  SERVER,
} from './openconnect-lab.js'

const skip = labSkip(...OPENCONNECT_PROGRAMS, 'md5sum')
const MIB = 2 ** 20
/** A silence of a full minute, instead of until it is noticed: LAB_LONG=1. */
const LONG = process.env.LAB_LONG === '1'
const MINUTE = 60_000

t.test('what changes on the way', { skip, timeout: 600_000 }, async (t) => {
  const lab = await OpenconnectLab.create()
  t.teardown(() => lab.destroy())
  await lab.startServer({ lines: ['rekey-time = 6'] })
  const gateway = lab.gateway()
  t.ok(await gateway.up(15), 'both come up')
  const size = 40 * MIB
  const download = async (seconds: number) => {
    const url = `http://${WEB}/slow?n=${size}&ms=${seconds * 1000}`
    const command = `curl -sS -m 120 -x socks5h://127.0.0.1:1082 '${url}' | md5sum`
    const { stdout } = await lab.lab.client.run(['sh', '-c', command], { timeout: 130_000 })
    return stdout.slice(0, 32)
  }
  const logins = () => lab.log.split('to authenticate user').length - 1
  const tunnels = () => lab.log.split('suggesting DPD').length - 1
  const sinceOf = async () => {
    const { tunnel } = (await gateway.environment('site')) as unknown as {
      tunnel: { since: string }
    }
    return Date.parse(tunnel.since)
  }

  await t.test('new tunnels under a download', async (t) => {
    const since = await sinceOf()
    const before = tunnels()
    t.equal(await download(20), patternMd5(size), 'not a byte is lost')
    t.ok(tunnels() - before >= 2, `${tunnels() - before} tunnels`)
    t.equal(logins(), 1, 'the password was needed once')
    t.ok(Math.abs((await sinceOf()) - since) < 1000, 'and the environment was up all the time')
  })

  await t.test('the server restarts', async (t) => {
    await lab.startServer({ lines: ['dpd = 8', 'mobile-dpd = 8'] })
    t.ok(await gateway.reaches('site', 'up', 30_000))
    const slow = download(16)
    await new Promise((resolve) => setTimeout(resolve, 2000))
    await lab.restartServer()
    t.ok(await eventually(() => logins() === 1, 30_000), 'a new login: the cookie is of no use')
    t.equal(await slow, patternMd5(size), 'a connection inside survives')
  })

  await t.test('the path is silent', async (t) => {
    const began = Date.now()
    await lab.lab.cut('site', true)
    t.ok(await gateway.reaches('site', 'down', 80_000), 'noticed')
    t.match(
      (await gateway.environment('site')).error?.message,
      /^nothing from vpn.example for 16 s$/,
    )
    if (LONG) await sleep(Math.max(0, began + MINUTE - Date.now()))
    await lab.lab.cut('site', false)
    t.ok(await gateway.reaches('site', 'up', 90_000), 'back without a person')
    t.equal(logins(), 1, 'by the cookie')
    t.match((await gateway.curl('site', `http://${WEB}/`)).stdout, /^site /)
  })

  await t.test('the way out changes, as when a router was switched off and on', async (t) => {
    const slow = download(10)
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const { router } = lab.lab
    await router.check(['nft', '-f', '-'], {
      input: `flush chain inet lab nat
        add rule inet lab nat tcp dport 443 masquerade to :40000-40010
        add rule inet lab nat ip daddr 203.0.113.0/24 masquerade
        add rule inet lab forward tcp dport 443 ct state new tcp flags & (syn|ack) != syn reject with tcp reset\n`,
    })
    // Masquerading forgets what went out by a link that goes down.
    await router.check(['ip', 'link', 'set', 'wan-site', 'down'])
    await router.check(['ip', 'link', 'set', 'wan-site', 'up'])
    t.equal(await slow, patternMd5(size), 'not a byte is lost')
    t.match(lab.log, /203\.0\.113\.5:400\d\d/, 'the server saw us move')
    t.equal(logins(), 1, 'by the cookie')
  })

  await t.test("the server's address changes", async (t) => {
    const moved = '203.0.113.10'
    const { router, sites } = lab.lab
    await router.ip(`address add 203.0.113.9/30 dev wan-site`)
    await sites.site.ip(`address add ${moved}/30 dev eth0`)
    await lab.lab.names({ [SERVER]: [moved] })
    await lab.stopServer()
    t.ok(await gateway.reaches('site', 'down', 20_000))
    await lab.lab.cut('site', true)
    await lab.restartServer()
    t.ok(await gateway.reaches('site', 'up', 60_000))
    const { tunnel } = await gateway.environment('site')
    t.match(tunnel, { endpoint: `${moved}:443` })
    await lab.lab.cut('site', false)
  })

  await t.test('through another environment, never by the host', async (t) => {
    const { client, sites } = lab.lab
    await sites.office.check(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
    await sites.office.check(['nft', '-f', '-'], {
      input: `add table ip out
        add chain ip out nat { type nat hook postrouting priority 100; }
        add rule ip out nat oifname eth0 masquerade\n`,
    })
    const file = (await client.check(['cat', lab.lab.files.office])).replace(
      'AllowedIPs = ',
      `AllowedIPs = ${SITES.site.public}/32, `,
    )
    gateway.write('office.conf', file)
    gateway.write(
      'pvpn.yaml',
      configuration({
        ...PASSWORD,
        url: `https://${SITES.site.public}`,
        through: 'office',
        server_pin: `'${lab.pin}'`,
      }).replace(', ca: ca.pem', ''),
    )
    await gateway.pvpn('reload')
    t.ok(await gateway.reaches('site', 'up', 30_000))
    await client.check(['nft', '-f', '-'], {
      input: `add table inet watch
        add chain inet watch out { type filter hook output priority 0; }
        add rule inet watch out ip daddr { ${SITES.site.public}, 203.0.113.10 } counter\n`,
    })
    t.match((await gateway.curl('site', `http://${WEB}/`)).stdout, /^site /)
    t.match((await gateway.curl('site', 'http://www.site.example/')).stdout, /^site /)
    t.equal(await download(2), patternMd5(size))
    await gateway.pvpn('stop', 'office')
    t.ok(await gateway.reaches('site', 'down', 90_000), 'it does not look for another way')
    t.match((await gateway.environment('site')).error?.message, /office|ended|nothing from/)
    await gateway.pvpn('start', 'office')
    t.ok(await gateway.reaches('site', 'up', 60_000))
    const counted = await client.check(['nft', 'list', 'table', 'inet', 'watch'])
    t.equal(/packets (\d+)/.exec(counted)?.[1], '0', 'not a packet by the host')
  })
})
