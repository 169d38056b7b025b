/** OpenVPN while things change: new keys under a download, a server that restarts, a path that breaks and moves. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually, labSkip } from '../support/namespace.js'
import { patternMd5 } from '../support/pattern.js'
import { WEB } from '../support/vpn-lab.js'
import { OPENVPN_PROGRAMS, OpenvpnLab } from './openvpn-lab.js'

const skip = labSkip(...OPENVPN_PROGRAMS, 'md5sum')
const MIB = 2 ** 20
/** A silence of a full minute, instead of until it is noticed: LAB_LONG=1. */
const LONG = process.env.LAB_LONG === '1'
const MINUTE = 60_000

t.test(
  'new keys under a download, and a server that comes back',
  { skip, timeout: 600_000 },
  async (t) => {
    const lab = await OpenvpnLab.create()
    t.teardown(() => lab.destroy())
    await lab.startServer()
    const gateway = lab.gateway(lab.clientFile({ lines: ['reneg-sec 3'] }))
    t.ok(await gateway.up(15), gateway.stderr)
    const size = 40 * MIB
    const download = async (seconds: number) => {
      const url = `http://${WEB}/slow?n=${size}&ms=${seconds * 1000}`
      const command = `curl -sS -m 120 -x socks5h://127.0.0.1:1082 '${url}' | md5sum`
      return (await lab.lab.client.run(['sh', '-c', command], { timeout: 130_000 })).stdout.slice(
        0,
        32,
      )
    }
    const rekeys = () => lab.log.split('Outgoing Data Channel: Cipher').length - 1

    await t.test('we begin', async (t) => {
      t.equal(await download(10), patternMd5(size))
      t.ok(rekeys() >= 3, `${rekeys()} keys`)
      t.ok(/protocol-flags .*tls-ekm dyn-tls-crypt/.test(lab.log), 'wrapped by a key of their own')
    })

    await t.test('we leave: the server knows, by the control channel', async (t) => {
      t.match(lab.log, /protocol-flags cc-exit/)
      const before = lab.log.length
      await gateway.pvpn('stop', 'site')
      // It waits 5 s for what may still come; silence would be noticed after 10 s.
      const told = () => /SIGTERM\[soft,delayed-exit\] received/.test(lab.log.slice(before))
      t.ok(await eventually(async () => told(), 8000), lab.log.slice(before))
      await gateway.pvpn('start', 'site')
      t.ok(await gateway.reaches('site', 'up', 20_000))
      t.match((await gateway.curl('site', `http://${WEB}/`)).stdout, /^site /)
    })

    await t.test('the server begins, over TCP', async (t) => {
      await lab.startServer({ transport: 'tcp', protection: 'tls-crypt', lines: ['reneg-sec 3'] })
      gateway.write(
        'site.ovpn',
        lab.clientFile({ transport: 'tcp', protection: 'tls-crypt', lines: ['reneg-sec 0'] }),
      )
      await gateway.pvpn('reload')
      t.ok(await gateway.reaches('site', 'up', 20_000))
      t.equal(await download(10), patternMd5(size))
      t.ok(rekeys() >= 3, `${rekeys()} keys`)
    })

    await t.test('the server restarts: TCP, then UDP', async (t) => {
      const before = await gateway.environment('site')
      await lab.restartServer()
      t.ok(await gateway.reaches('site', 'up', 30_000))
      t.match((await gateway.curl('site', `http://${WEB}/`)).stdout, /^site /)
      await lab.startServer()
      gateway.write('site.ovpn', lab.clientFile())
      await gateway.pvpn('reload')
      t.ok(await gateway.reaches('site', 'up', 20_000))
      const slow = download(16)
      await lab.restartServer()
      t.ok(await gateway.reaches('site', 'down', 20_000), 'its silence is noticed (ping-restart)')
      t.ok(await gateway.reaches('site', 'up', 30_000), 'and it comes back by itself')
      t.equal(await slow, patternMd5(size), 'a connection inside survives')
      t.equal(before.state, 'up')
    })

    await t.test('the path is silent for a while, and the way out changes', async (t) => {
      const { router } = lab.lab
      const began = Date.now()
      await lab.lab.cut('site', true)
      t.ok(await gateway.reaches('site', 'down', 30_000), 'noticed')
      if (LONG) await sleep(Math.max(0, began + MINUTE - Date.now()))
      await lab.lab.cut('site', false)
      t.ok(await gateway.reaches('site', 'up', 90_000), 'back without a person')
      const slow = download(12)
      await new Promise((resolve) => setTimeout(resolve, 3000))
      // The router takes another port for what it forwards, as one that was switched off and on.
      await router.check(['nft', '-f', '-'], {
        input: `flush chain inet lab nat
          add rule inet lab nat udp dport 1194 masquerade to :40000-40010
          add rule inet lab nat ip daddr 203.0.113.0/24 masquerade\n`,
      })
      // Masquerading forgets what went out by a link that goes down.
      await router.check(['ip', 'link', 'set', 'wan-site', 'down'])
      await router.check(['ip', 'link', 'set', 'wan-site', 'up'])
      t.equal(await slow, patternMd5(size), 'not a byte is lost')
      t.ok(/203\.0\.113\.5:400\d\d/.test(lab.log), 'the server saw us move')
    })
  },
)
