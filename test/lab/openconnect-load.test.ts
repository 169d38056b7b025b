/** The SSL-VPN client under load: much in both directions, with new tunnels on the way. */
import t from 'tap'
import { labSkip } from '../support/namespace.js'
import { privateMemory } from '../support/private-memory.js'
import { WEB } from '../support/vpn-lab.js'
import { OPENCONNECT_PROGRAMS, OpenconnectLab } from './openconnect-lab.js'

const skip = labSkip(...OPENCONNECT_PROGRAMS)

t.test('memory stays flat', { skip, timeout: 600_000 }, async (t) => {
  const lab = await OpenconnectLab.create()
  t.teardown(() => lab.destroy())
  await lab.startServer({ lines: ['rekey-time = 6'] })
  const gateway = lab.gateway()
  t.ok(await gateway.up(15), 'both come up')
  const memory = async () => privateMemory((await gateway.environment('site')).pid)
  const load = async (bytes: number) => {
    const upload = `head -c ${bytes} /dev/zero | curl -sS -m 100 -x socks5h://127.0.0.1:1082 -T - http://${WEB}/`
    const url = `http://${WEB}/big?n=${bytes}`
    const [down, up] = await Promise.all([
      gateway.curl('site', url, '-o', '/dev/null', '-w', '%{size_download}'),
      lab.lab.client.run(['sh', '-c', upload], { timeout: 110_000 }),
    ])
    t.equal(down.stdout, `${bytes}`)
    t.match(up.stdout, new RegExp(`^site ${bytes} `))
  }
  await load(50_000_000)
  const before = await memory()
  await load(250_000_000)
  const after = await memory()
  t.comment(`private: ${Math.round(before)} MB, after 250 MB each way ${Math.round(after)} MB`)
  t.ok(after < before + 40, `${before} MB, then ${after} MB`)
})
