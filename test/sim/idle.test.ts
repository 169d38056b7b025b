/** After an idle time the window is not that of before, or what it allows does not leave at once (RFC 5681 section 4.1, RFC 2861). */
import t from 'tap'
import type { Connection } from '../../src/stack/tcp/connection.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'

/** 100 Mbit/s and 30 ms: 375 kB in flight. */
const RATE = 12_500
const LINK = { delay: 15, rate: RATE, queue: 400_000 }
const GROW = 6_000_000
const BURST_MOST = 4 * RATE

/** Fills the path, is idle for so long, and writes 200 kB: the windows before and after, and what leaves at once. */
function run(congestion: 'bbr' | 'cubic', idle: number) {
  const pair = new Pair({ random: new SeededRandom(4), there: LINK, congestion })
  let received = 0
  pair.b.tcp.listen({ port: 80 }).onConnection = (stream) => {
    stream.onReadable = () => {
      received += stream.read()?.length ?? 0
    }
  }
  const socket = pair.a.tcp.connect({ address: pair.b.address, port: 80 }, pair.now)
  const c = socket as Connection
  let left = GROW
  const fill = () => {
    while (left > 0) {
      const taken = socket.write(new Uint8Array(Math.min(left, 65_536)))
      left -= taken
      if (taken === 0) return
    }
  }
  socket.onConnect = fill
  socket.onWritable = fill
  pair.run(() => received === GROW && c.una === c.next)
  const before = c.congestion.window
  pair.now += idle
  let burst = 0
  const start = pair.now
  pair.a.onSend = (packet, now) => {
    if (now - start < 1) burst += packet.length
  }
  socket.write(new Uint8Array(200_000))
  pair.turn()
  const after = c.congestion.window
  pair.run(() => received === GROW + 200_000)
  const took = pair.now - start
  return { before, after, burst, took, mss: c.mss, timeouts: pair.a.tcp.counters.timeouts }
}

t.test('CUBIC halves its window for each time-out that it was idle', async (t) => {
  const soon = run('cubic', 100)
  t.ok(soon.after >= soon.before, 'a pause shorter than a time-out is none')
  const later = run('cubic', 600)
  t.ok(later.after <= later.before / 2, `${later.before} to ${later.after}`)
  const long = run('cubic', 60_000)
  t.equal(long.after, 10 * long.mss, 'down to the window of a new connection, not below')
})

t.test('BBR goes on at the rate that it knows, paced', async (t) => {
  for (const idle of [600, 60_000]) {
    const { burst, took, timeouts } = run('bbr', idle)
    t.ok(burst <= BURST_MOST, `${burst} bytes in the first millisecond`)
    t.ok(took < 15 + 200_000 / RATE + 60, `${took} ms`)
    t.equal(timeouts, 0)
  }
})
