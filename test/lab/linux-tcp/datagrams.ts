/** ICMP, UDP with fragments and path MTU between our stack and Linux's. Prints TAP. */
import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { parseIp } from '../../../src/core/ip.js'
import { patternMd5 } from '../../support/pattern.js'
import { ip, StackHost } from './stack-host.js'
import { open, receive, send } from './talk.js'

const run = promisify(execFile)
const host = new StackHost({ device: 'pvpn0', network: 1 })
t.teardown(() => host.close())
t.setTimeout(60_000)

await t.test('ping from Linux, whole and in fragments', async (t) => {
  for (const address of [host.ours[4], host.ours[6]]) {
    for (const size of [0, 56, 1400, 5000, 20_000]) {
      const { stdout } = await run('ping', [
        '-c',
        '3',
        '-i',
        '0.1',
        '-W',
        '2',
        '-s',
        `${size}`,
        address,
      ])
      t.match(stdout, /3 received, 0% packet loss/, `${address} ${size} bytes`)
    }
  }
})

await t.test('ping to Linux, and to nobody', async (t) => {
  const ping = (to: string, timeout: number) =>
    new Promise((resolve) => {
      host.stack.ping(parseIp(to) as Uint8Array, timeout, performance.now(), resolve)
    })
  t.type(await ping(host.linux[4], 2000), 'number')
  t.type(await ping(host.linux[6], 2000), 'number')
  t.match(await ping('10.9.1.77', 300), { code: /ERR_TIMEOUT|ERR_HOST_UNREACHABLE/ })
})

for (const family of [4, 6] as const) {
  await t.test(`UDP over IPv${family}, of 0 to 8,000 bytes, both ways`, async (t) => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
    socket.bind(0, host.linux[family])
    await once(socket, 'listening')
    const port = host.stack.bindUdp({ family })
    const to = { address: host.linux[family], port: socket.address().port }
    for (const size of [0, 1, 500, 1452, 1472, 1473, 3000, 8000]) {
      const bytes = Buffer.alloc(size, `${size} `)
      const arrived = once(socket, 'message')
      t.ok(port.send(to, bytes))
      const [got, from] = (await arrived) as [Buffer, { port: number; address: string }]
      t.ok(got.equals(bytes), `${size} bytes to Linux`)
      const answer = new Promise<Buffer>((resolve) => {
        port.onMessage = (_from, payload) => resolve(Buffer.from(payload))
      })
      socket.send(bytes, from.port, from.address)
      t.ok((await answer).equals(bytes), `${size} bytes to us`)
    }
    socket.close()
    const failed = new Promise((resolve) => {
      port.onError = (_to, error) => resolve(error)
    })
    port.send({ ...to, port: 9 }, Buffer.from('x'))
    t.match(await failed, { code: 'ERR_REFUSED' }, 'a port where nobody listens')
    port.close()
  })
}

await t.test(
  'a narrower hop behind Linux: packet too big is heard, and transfers go on',
  async (t) => {
    // A second stack behind a device of smaller MTU: Linux routes between the two.
    const narrow = new StackHost({ device: 'pvpn1', network: 2, mtu: 1280 })
    // It tells the segment size of a usual link, so that only ICMP speaks of the narrow one.
    narrow.configure(1500)
    await run('sysctl', ['-w', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
    for (const family of [4, 6] as const) {
      const port = 7000 + family
      const size = 3 << 20
      const accepted = new Promise<import('node:stream').Duplex>((resolve) => {
        narrow.listen(port, resolve)
      })
      const ours = await host.connect(narrow.ours[family], port)
      const far = await accepted
      let [large, all] = [0, 0]
      host.onSend = (packet) => {
        all++
        if (packet.length > 1280) large++
      }
      const sent = send(ours, size)
      t.same(await receive(far), { size, md5: patternMd5(size) }, `IPv${family}`)
      await sent
      far.end()
      t.ok(large > 0 && large < 100, `${large} of ${all} packets were too big`)
    }
    narrow.close()
  },
)

await t.test("Linux's route shrinks in the middle of a transfer", async (t) => {
  const { ours, linux } = await open(host, 'linux')
  const size = 24 << 20
  const sent = send(linux, size)
  await sleep(20)
  ip(`route change 10.9.1.0/24 dev pvpn0 mtu lock 700`)
  t.same(await receive(ours), { size, md5: patternMd5(size) })
  await sent
  ours.end()
})
