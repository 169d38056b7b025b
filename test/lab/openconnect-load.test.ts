/** The SSL-VPN client under load: much in both directions, with new tunnels on the way. */
import t from 'tap'
import { labSkip } from '../support/namespace.js'
import { privateMemory } from '../support/private-memory.js'
import { WEB } from '../support/vpn-lab.js'
import { OPENCONNECT_PROGRAMS, OpenconnectLab } from './openconnect-lab.js'

const skip = labSkip(...OPENCONNECT_PROGRAMS)

t.test('memory stays flat', { skip, timeout: 200_000 }, async (t) => {
  const lab = await OpenconnectLab.create()
  t.teardown(() => lab.destroy())
  await lab.startServer({ lines: ['rekey-time = 6'] })
  const gateway = lab.gateway()
  t.ok(await gateway.up(15), 'both come up')
  await gateway.curl('site', `http://${WEB}/big?n=20000000`, '-o', '/dev/null')
  const memory = async () => privateMemory((await gateway.environment('site')).pid)
  const bytes = 250_000_000
  const upload = `head -c ${bytes} /dev/zero | curl -sS -m 100 -x socks5h://127.0.0.1:1082 -T - http://${WEB}/`
  const before = await memory()
  const [down, up] = await Promise.all([
    gateway.curl(
      'site',
      `http://${WEB}/big?n=${bytes}`,
      '-o',
      '/dev/null',
      '-w',
      '%{size_download}',
    ),
    lab.lab.client.run(['sh', '-c', upload], { timeout: 110_000 }),
  ])
  const after = await memory()
  t.equal(down.stdout, `${bytes}`)
  t.match(up.stdout, new RegExp(`^site ${bytes} `))
  t.comment(`private: ${Math.round(before)} MB, after 250 MB each way ${Math.round(after)} MB`)
  t.ok(after < before + 40, `${before} MB, then ${after} MB`)
})
