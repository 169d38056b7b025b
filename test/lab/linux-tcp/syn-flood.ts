/** Linux as a client of a port of ours that is flooded with SYNs: its connections are by SYN cookies. Prints TAP. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { parseIp } from '../../../src/core/ip.js'
import type { StreamDuplex } from '../../../src/io/stream-duplex.js'
import type { Connection } from '../../../src/stack/tcp/connection.js'
import { SeededRandom } from '../../sim/random.js'
import { patternMd5 } from '../../support/pattern.js'
import { spoofedSyn } from '../../support/spoofed-syn.js'
import { StackHost } from './stack-host.js'
import { receive, send } from './talk.js'

const PORT = 80
const SIZE = 4 << 20
const CLIENTS = 5
/** Milliseconds in which the faster flood fills all places. */
const FILLS = 1500

const host = new StackHost({ device: 'pvpn0', network: 1, link: { delay: 5 } })
t.teardown(() => host.close())
t.setTimeout(120_000)

const timestamps = readFileSync('/proc/sys/net/ipv4/tcp_timestamps', 'utf8').trim() !== '0'
const address = parseIp(host.ours[4]) as Uint8Array

/** `rate` SYNs a second until told to stop. */
function flood(rate: number): () => void {
  const random = new SeededRandom(rate)
  let due = performance.now()
  const timer = setInterval(() => {
    for (; due <= performance.now(); due += 1000 / rate) {
      host.inject(spoofedSyn(random, address, PORT))
    }
  }, 5)
  return () => clearInterval(timer)
}

const accepted: StreamDuplex[] = []
host.listen(PORT, (stream) => accepted.push(stream))

/** A connection of Linux carries data both ways: our end of it, and milliseconds until it was open. */
async function visit(): Promise<{ ours: Connection; took: number; intact: boolean }> {
  const begun = performance.now()
  const linux = connect({ host: host.ours[4], port: PORT, allowHalfOpen: true })
  await once(linux, 'connect')
  const took = performance.now() - begun
  while (accepted.length === 0) await sleep(1)
  const ours = accepted.pop() as StreamDuplex
  const sent = [send(linux, SIZE), send(ours, SIZE)]
  const got = await Promise.all([receive(linux), receive(ours)])
  await Promise.all(sent)
  const md5 = patternMd5(SIZE)
  return { ours: ours.stream as Connection, took, intact: got.every((g) => g.md5 === md5) }
}

for (const rate of [500, 5000]) {
  await t.test(`${rate} SYNs a second keep nobody out`, async (t) => {
    const stop = flood(rate)
    await sleep(FILLS)
    const { cookies } = host.stack.counters.tcp
    let byCookie = 0
    for (let i = 0; i < CLIENTS; i++) {
      const { ours, took, intact } = await visit()
      t.ok(intact, 'both ways')
      t.ok(took < 900, `open after ${Math.round(took)} ms, without a SYN sent again`)
      if (!ours.redeemed) continue
      byCookie++
      t.equal(ours.timestampsUsed, timestamps)
      t.equal(ours.sackUsed, timestamps, 'what was agreed on before is known')
      t.equal(ours.receiveShift > 0 && ours.sendShift > 0, timestamps)
      t.ok(ours.peerMss >= 1400, `MSS ${ours.peerMss}`)
    }
    stop()
    const { sent, received } = host.stack.counters.tcp.cookies
    t.equal(received - cookies.received, byCookie)
    t.comment(`${sent - cookies.sent} cookies, ${byCookie} of ${CLIENTS} connections by one`)
    if (rate > 500) t.ok(byCookie > 0)
  })
}
