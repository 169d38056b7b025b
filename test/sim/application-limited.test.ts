/** CUBIC while the program has little to send: a window that is not used is not believed (RFC 9438 section 5.8, RFC 7661). */
import t from 'tap'
import type { Connection } from '../../src/stack/tcp/connection.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'

/** 100 Mbit/s and 30 ms. */
const RATE = 12_500
const TRIP = 30
const BULK = 12_000_000
/** A trickle: less than a segment, more often than time-outs. */
const PIECE = 1000
const EVERY = 100

/** A connection whose window has been through slow start and a loss, and that then trickles for so many milliseconds. */
function trickled(length: number) {
  const there = { delay: TRIP / 2, rate: RATE, queue: 800_000 }
  const pair = new Pair({ random: new SeededRandom(4), there, congestion: 'cubic' })
  let received = 0
  pair.b.tcp.listen({ port: 80 }).onConnection = (stream) => {
    stream.onReadable = () => {
      received += stream.read()?.length ?? 0
    }
  }
  const c = pair.a.tcp.connect({ address: pair.b.address, port: 80 }, pair.now) as Connection
  let left = 0
  let total = 0
  const fill = () => {
    while (left > 0) {
      const taken = c.write(new Uint8Array(Math.min(left, 65_536)))
      left -= taken
      if (taken === 0) return
    }
  }
  const send = (bytes: number) => {
    left += bytes
    total += bytes
    fill()
  }
  const settled = () => received === total && c.una === c.next
  c.onConnect = () => send(BULK)
  c.onWritable = fill
  const loseOne = () => {
    let lost = false
    pair.a.out.lose = (packet) => {
      if (lost || packet.length < PIECE) return false
      lost = true
      return true
    }
  }
  pair.run(() => received > BULK / 3)
  loseOne()
  pair.run(settled)
  const before = c.congestion.window
  for (const end = pair.now + length; pair.now < end; ) {
    const next = pair.now + EVERY
    send(PIECE)
    pair.run(settled)
    pair.now = Math.max(pair.now, next)
  }
  return { pair, c, send, settled, loseOne, before }
}

t.test('time in which little was sent does not make the window grow afterwards', async (t) => {
  const { pair, c, send, before } = trickled(60_000)
  t.equal(c.congestion.window, before, 'meanwhile it stays')
  send(BULK)
  const start = pair.now
  let most = 0
  pair.run(() => {
    most = Math.max(most, c.congestion.window)
    return pair.now > start + 6 * TRIP
  })
  t.ok(c.limited, 'the window is used')
  t.ok(most < 1.1 * before, `${before} to ${most} bytes in six round trips`)
})

t.test('a loss then speaks of what was in flight, not of a window that was not used', async (t) => {
  const { pair, c, send, settled, loseOne, before } = trickled(5000)
  loseOne()
  send(20 * c.mss)
  pair.run(settled)
  t.ok(before > 200_000, `${before} bytes`)
  t.ok(c.congestion.window <= 20 * c.mss, `the window is ${c.congestion.window} bytes`)
})

t.test('a window of which less than half is used for five minutes is halved', async (t) => {
  const { c, before } = trickled(290_000)
  t.equal(c.congestion.window, before)
  const later = trickled(620_000)
  t.ok(later.c.congestion.window <= 0.26 * before, `${before} to ${later.c.congestion.window}`)
  t.ok(later.c.congestion.window >= 10 * later.c.mss)
})
