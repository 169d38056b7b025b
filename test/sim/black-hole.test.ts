/** Paths that swallow large packets without an ICMP message (RFC 4821). */
import t from 'tap'
import type { Connection } from '../../src/stack/tcp/connection.js'
import { PATH_PROBE_TIME } from '../../src/stack/tcp/limits.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

const UP = 300_000

function run(pair: Pair, random: SeededRandom) {
  const before = pair.a.tcp.counters.timeouts
  const talk = transfer(pair, random, { up: UP, down: 1 })
  const ms = pair.run(() => talk.done, 60_000)
  const timeouts = pair.a.tcp.counters.timeouts - before
  return { ms, timeouts, whole: talk.server?.received === UP && talk.server.wrongAt < 0 }
}

for (const family of [4, 6] as const) {
  for (const most of family === 4 ? [1400, 1280, 1100, 600] : [1400, 1280]) {
    t.test(`IPv${family}, packets of more than ${most} bytes are swallowed`, async (t) => {
      const random = new SeededRandom(2)
      const pair = new Pair({ random, there: { delay: 15 }, family })
      pair.a.out.lose = (packet) => packet.length > most
      const first = run(pair, random)
      t.ok(first.whole, 'everything arrives')
      t.ok(first.timeouts > 0 && first.ms < 10_000, `after ${first.ms} ms`)
      const talk = pair.a.tcp.connect({ address: pair.b.address, port: 80 }, pair.now)
      const c = talk as Connection
      pair.run(() => c.state === 'ESTABLISHED', 1000)
      t.ok(c.mss < most, 'the next connection to there knows it')
      talk.abort()
    })
  }
}

t.test('the full size is tried again later', async (t) => {
  const random = new SeededRandom(2)
  const pair = new Pair({ random, there: { delay: 15 } })
  let most = 1300
  let largest = 0
  pair.a.out.lose = (packet) => {
    if (packet.length <= most) largest = Math.max(largest, packet.length)
    return packet.length > most
  }
  pair.b.tcp.listen({ port: 80 }).onConnection = (stream) => {
    stream.onReadable = () => void stream.read()
  }
  const socket = pair.a.tcp.connect({ address: pair.b.address, port: 80 }, pair.now)
  socket.onConnect = () => void socket.write(new Uint8Array(50_000))
  const c = socket as Connection
  pair.run(() => c.una === c.unsent.end && c.unsent.size === 0 && largest > 1000, 20_000)
  t.equal(largest, 1280)
  most = 1500
  pair.a.ip.shrunk = Number.POSITIVE_INFINITY
  pair.now += PATH_PROBE_TIME
  socket.write(new Uint8Array(50_000))
  pair.run(() => largest === 1420, 20_000)
  t.equal(largest, 1420)
  t.equal(pair.a.tcp.counters.open, 1)
})

t.test('an outage is no black hole', async (t) => {
  const random = new SeededRandom(2)
  const pair = new Pair({ random, there: { delay: 15, rate: 500 } })
  const talk = transfer(pair, random, { up: UP, down: 1 })
  pair.run(() => (talk.server?.received ?? 0) > 100_000)
  pair.a.out.cut = true
  pair.run(() => false, 20_000)
  pair.a.out.cut = false
  pair.run(() => talk.done, 200_000)
  t.equal(talk.server?.received, UP)
  t.equal(pair.a.ip.shrunk, Number.POSITIVE_INFINITY, 'the path is not blamed')
})
