/** The same two ports again: simultaneous open, and new connections over Linux's TIME-WAIT. Prints TAP. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { TCP_ACK, TCP_RST, TCP_SYN, tcpDestinationPort, tcpFlags } from '../../../src/wire/tcp.js'
import { eventually } from '../../support/namespace.js'
import { patternMd5 } from '../../support/pattern.js'
import { StackHost } from './stack-host.js'
import { receive, send } from './talk.js'

/** The one local port that our stack may choose. */
const OURS = 40_001
const LINUX = 40_002
const IPV4_HEADER = 20
/** More than the clock of initial sequence numbers moves on by until the next connection (250,000 a second). */
const LARGE = 2_000_000

const host = new StackHost({ device: 'pvpn0', network: 1, link: { delay: 2 }, ports: [OURS, OURS] })
t.teardown(() => host.close())
const closeAfterwards = (server: Server) => t.teardown(() => server.close())
t.setTimeout(120_000)

const timestamps = readFileSync('/proc/sys/net/ipv4/tcp_timestamps', 'utf8').trim() !== '0'
let [syns, resets] = [0, 0]
/** Ports of Linux that we sent a reset. */
const resetPorts: number[] = []
host.onSend = (packet) => {
  const flags = tcpFlags(packet, IPV4_HEADER)
  if ((flags & TCP_SYN) !== 0 && (flags & TCP_ACK) === 0) syns++
  if ((flags & TCP_RST) === 0) return
  resets++
  resetPorts.push(tcpDestinationPort(packet, IPV4_HEADER))
}

/** Five connections in turn to a server of Linux that ends first, so that TIME-WAIT is Linux's. Milliseconds each took to open. */
async function overTimeWait(upload: number): Promise<number[]> {
  const took: number[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.end('hello')
    socket.resume()
  })
  server.listen(0, host.linux[4])
  closeAfterwards(server)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  for (let i = 0; i < 5; i++) {
    const begun = performance.now()
    const ours = await host.connect(host.linux[4], port)
    took.push(performance.now() - begun)
    await receive(ours)
    await send(ours, upload)
    // A stream closes when its bytes are handed over; the port is free when they are acknowledged.
    if (!(await eventually(() => host.stack.counters.tcp.open === 0, 10_000, 1))) break
    // The clock of timestamps has to move on for our next SYN to be newer.
    await sleep(20)
  }
  return took
}

await t.test('both open at the same time: one connection', async (t) => {
  for (let i = 0; i < 3; i++) {
    const linux = connect({
      host: host.ours[4],
      port: OURS,
      localAddress: host.linux[4],
      localPort: LINUX + i,
      allowHalfOpen: true,
    })
    const connected = once(linux, 'connect')
    const [ours] = await Promise.all([host.connect(host.linux[4], LINUX + i), connected])
    // Afterwards a FIN that Linux sent twice, as on a busy machine, may be reset.
    t.notOk(resetPorts.includes(LINUX + i), 'neither side refuses the other')
    const size = 300_000
    const both: [Duplex, Duplex][] = [
      [ours, linux],
      [linux, ours],
    ]
    const results = both.map(async ([from, to]) => {
      const sent = send(from, size)
      t.same(await receive(to), { size, md5: patternMd5(size) })
      await sent
    })
    await Promise.all(results)
  }
})

await t.test('our port again over TIME-WAIT of Linux', async (t) => {
  ;[syns, resets] = [0, 0]
  const took = await overTimeWait(0)
  t.equal(took.length, 5)
  t.ok(Math.max(...took) < 900, `without waiting for a time-out: ${took.map(Math.round)} ms`)
  // A FIN that Linux sent twice, as on a busy machine, is reset too: that says nothing of the SYNs.
  t.equal(syns, 5, 'each first SYN is taken')
})

await t.test('the same, where the old sequence numbers are ahead of the new', async (t) => {
  ;[syns, resets] = [0, 0]
  const took = await overTimeWait(LARGE)
  t.equal(took.length, 5)
  t.ok(Math.max(...took) < 900, `without waiting for a time-out: ${took.map(Math.round)} ms`)
  if (timestamps) t.equal(syns, 5, 'newer timestamps are enough')
  else {
    // How many of the five are behind the old numbers depends on how fast they follow.
    t.ok(resets > 0, `${resets} are answered with an ACK, reset it and come again`)
    t.ok(syns > 5 && syns <= 5 + resets, `${syns} SYNs`)
  }
})

await t.test('our port again over TIME-WAIT of our own', async (t) => {
  const server = createServer((socket) => socket.resume()).listen(0, host.linux[4])
  closeAfterwards(server)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const first = await host.connect(host.linux[4], port)
  await send(first, 1000)
  await receive(first)
  await t.rejects(
    host.connect(host.linux[4], port),
    { code: 'ERR_LIMIT' },
    'not at once: the port is the only one',
  )
  if (timestamps) {
    await sleep(1100)
    const again = await host.connect(host.linux[4], port)
    await send(again, 1000)
    t.equal((await receive(again)).size, 0, 'but after a second')
  }
})
