/** The UDP socket on links that a real path has: a small MTU, and a rate below what is sent. */
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { join2, labSkip, Namespace } from '../support/namespace.js'
import type { ReceiveReport, SendReport } from './udp-load.js'

const LOAD = fileURLToPath(new URL('udp-load.js', import.meta.url))
const PORT = 5000

t.test('UDP socket on a link', { skip: labSkip('tc') }, async (t) => {
  const a = await Namespace.create('a')
  const b = await Namespace.create('b')
  t.teardown(async () => {
    await a.destroy()
    await b.destroy()
  })
  await join2(a, 'eth0', b, 'eth0')
  for (const [ns, last] of [
    [a, 1],
    [b, 2],
  ] as const) {
    await ns.ip(`address add 192.0.2.${last}/24 dev eth0
      address add 2001:db8::${last}/64 dev eth0 nodad`)
  }

  /** Sends COUNT datagrams from a to b by one implementation and tells both reports. */
  async function transfer(accel: string, host: string, count: number, size: number) {
    const env = { ...process.env, PVPN_ACCEL: accel }
    const receiver = b.spawn(
      [process.execPath, LOAD, 'receive', `${PORT}`, `${count}`, `${size}`],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        env,
      },
    )
    let output = ''
    const ready = new Promise<void>((resolve) => {
      receiver.stdout?.on('data', (bytes: Buffer) => {
        output += bytes.toString()
        if (output.startsWith('ready\n')) resolve()
      })
    })
    const ended = new Promise<void>((resolve) => receiver.once('close', () => resolve()))
    await ready
    const sent = await a.check(
      [process.execPath, LOAD, 'send', host, `${PORT}`, `${count}`, `${size}`],
      { env },
    )
    await ended
    return {
      received: JSON.parse(output.slice('ready\n'.length)) as ReceiveReport,
      sent: JSON.parse(sent) as SendReport,
    }
  }

  for (const accel of ['', 'off']) {
    t.test(accel === 'off' ? 'node:dgram' : 'addon', async (t) => {
      for (const host of ['192.0.2.2', '2001:db8::2']) {
        for (const mtu of [1500, 1300]) {
          await a.ip(`link set eth0 mtu ${mtu}`)
          // 1444 bytes fit the first MTU only: on the second the kernel refuses to cut, and fragments.
          const { received } = await transfer(accel, host, 1000, 1444)
          t.match(received, { packets: 1000, late: 0, broken: 0 }, `${host}, MTU ${mtu}`)
        }
      }
      await a.ip('link set eth0 mtu 1500')
      await a.check([
        'tc',
        'qdisc',
        'add',
        'dev',
        'eth0',
        'root',
        'tbf',
        'rate',
        '50mbit',
        'burst',
        '64kb',
        'limit',
        '64mb',
      ])
      const { received, sent } = await transfer(accel, '192.0.2.2', 12_000, 1444)
      t.match(received, { packets: 12_000, late: 0, broken: 0 }, 'nothing is lost on a slow link')
      t.ok(sent.waits > 0, `the sender was held back ${sent.waits} times`)
      await a.check(['tc', 'qdisc', 'del', 'dev', 'eth0', 'root'])
    })
  }
})
