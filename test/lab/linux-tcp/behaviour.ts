/** How our TCP and Linux's open, close, reset and hold each other back. Prints TAP. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { TCP_FIN, TCP_RST, tcpFlags } from '../../../src/wire/tcp.js'
import { patternMd5 } from '../../support/pattern.js'
import { StackHost } from './stack-host.js'
import { freshPort, open, receive, send } from './talk.js'

const host = new StackHost({ device: 'pvpn0', network: 1, link: { delay: 1 } })
t.teardown(() => host.close())
t.setTimeout(120_000)
const flags = (packet: Uint8Array) => tcpFlags(packet, (packet[0] as number) >>> 4 === 4 ? 20 : 40)

for (const opener of ['us', 'linux'] as const) {
  await t.test(`half-close, opened by ${opener}: each side ends first in turn`, async (t) => {
    for (const first of ['ours', 'linux'] as const) {
      const ends = await open(host, opener)
      const [early, late] = first === 'ours' ? [ends.ours, ends.linux] : [ends.linux, ends.ours]
      early.end('a question')
      t.equal((await receive(late)).size, 10, 'the far side sees data and end')
      await sleep(50)
      const answer = send(late, 300_000)
      t.same(await receive(early), { size: 300_000, md5: patternMd5(300_000) }, 'and answers')
      await answer
    }
  })

  await t.test(`resets, opened by ${opener}`, async (t) => {
    const ends = await open(host, opener)
    const failed = once(ends.linux, 'error')
    ends.ours.destroy()
    t.match((await failed)[0], { code: 'ECONNRESET' }, 'ours reaches Linux')
    const again = await open(host, opener)
    const told = once(again.ours, 'error')
    again.ours.resume()
    ;(again.linux as Socket).resetAndDestroy()
    t.match((await told)[0], { cause: { code: 'ERR_RESET' } }, 'theirs reaches us')
  })
}

await t.test('a port where nobody listens refuses', async (t) => {
  await t.rejects(host.connect(host.linux[4], 9), { code: 'ERR_REFUSED' })
  await t.rejects(host.connect(host.linux[6], 9), { code: 'ERR_REFUSED' })
  for (const address of [host.ours[4], host.ours[6]]) {
    const [error] = await once(connect({ host: address, port: 9 }), 'error')
    t.match(error, { code: 'ECONNREFUSED' })
  }
})

for (const reader of ['ours', 'linux'] as const) {
  await t.test(`a reader that waits (${reader}) shuts the window; then all arrives`, async (t) => {
    const ends = await open(host, 'us')
    const [from, to] = reader === 'ours' ? [ends.linux, ends.ours] : [ends.ours, ends.linux]
    const sent = send(from, 64 << 20)
    let finished = false
    const done = sent.then(() => {
      finished = true
    })
    await sleep(3000)
    t.notOk(finished, 'the sender is held back')
    t.same(await receive(to), { size: 64 << 20, md5: patternMd5(64 << 20) })
    await done
    to.end()
  })
}

await t.test('both end at the same time', async (t) => {
  for (let i = 0; i < 20; i++) {
    const { ours, linux } = await open(host, i % 2 === 0 ? 'us' : 'linux')
    ours.end('x')
    linux.end('y')
    t.same([(await receive(ours)).size, (await receive(linux)).size], [1, 1])
  }
})

await t.test('2,000 short connections in turn, none left', async (t) => {
  const server = createServer((socket) => socket.end('hello')).listen(0, host.linux[4])
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  let bytes = 0
  for (let i = 0; i < 2000; i++) {
    const stream = await host.connect(host.linux[4], port)
    bytes += (await receive(stream)).size
    stream.end()
    await once(stream, 'close')
  }
  t.equal(bytes, 10_000)
  server.close()
  await sleep(200)
  t.equal(host.stack.counters.tcp.open, 0)
})

await t.test('and 2,000 that Linux opens', async (t) => {
  const port = freshPort()
  const listener = host.listen(port, (stream) => stream.end('hello'))
  let bytes = 0
  for (let i = 0; i < 2000; i++) {
    const socket = connect({ host: host.ours[4], port })
    bytes += (await receive(socket)).size
    if (!socket.closed) await once(socket, 'close')
  }
  t.equal(bytes, 10_000)
  listener.close()
  await sleep(200)
  t.equal(host.stack.counters.tcp.open, 0)
})

await t.test('the same port of Linux again, though ours is in TIME-WAIT', async (t) => {
  const port = freshPort()
  const listener = host.listen(port, (stream) => stream.end('hello'))
  let from: number | undefined
  for (let i = 0; i < 5; i++) {
    const options = { host: host.ours[4], port, allowHalfOpen: true }
    const begun = performance.now()
    const socket = connect({ ...options, ...(from === undefined ? {} : { localPort: from }) })
    await once(socket, 'connect')
    from = socket.localPort as number
    // We end first, so that TIME-WAIT is ours.
    t.equal((await receive(socket)).size, 5)
    socket.end()
    await once(socket, 'close')
    t.ok(performance.now() - begun < 900, 'without waiting for a second SYN')
    // The clock of timestamps has to move on for Linux's next SYN to be newer.
    await sleep(20)
  }
  listener.close()
})

await t.test(
  'what Linux answers to nobody is a reset, and no FIN is sent twice without need',
  async (t) => {
    let [resets, ends] = [0, 0]
    host.onSend = (packet) => {
      if (packet[9] !== 6) return
      if ((flags(packet) & TCP_RST) !== 0) resets++
      if ((flags(packet) & TCP_FIN) !== 0) ends++
    }
    const { ours, linux } = await open(host, 'us')
    ours.end()
    linux.end()
    await Promise.all([receive(ours), receive(linux)])
    await sleep(100)
    t.same([resets, ends], [0, 1])
    host.onSend = () => {}
  },
)
