/** SYNs from nowhere at a published port, while a client comes by. */
import t from 'tap'
import { BACKLOG } from '../../src/stack/tcp/limits.js'
import { spoofedSyn, toNowhere } from '../support/spoofed-syn.js'
import { deliver, Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

/** Milliseconds from look to look. */
const STEP = 5
const TOTAL = 300_000

interface Flood {
  /** SYNs a second. */
  readonly rate: number
  /** One way. */
  readonly delay: number
  readonly loss?: number
}

/** A client comes when the flood has lasted for five seconds. */
function visit({ rate, delay, loss = 0 }: Flood) {
  const random = new SeededRandom(11)
  const pair = new Pair({ random, there: { delay, loss } })
  const { tcp } = pair.b
  let [due, most, received, sent] = [pair.now, 0, 0, 0]
  // What is sent to nowhere comes to nothing.
  pair.b.out.lose = (packet) => toNowhere(packet)
  pair.b.onSend = (packet) => {
    if (toNowhere(packet)) sent += packet.length
  }
  const flood = (until: number, done: () => boolean) => {
    while (pair.now < until && !done()) {
      for (; due <= pair.now; due += 1000 / rate) {
        const packet = spoofedSyn(random, pair.b.ip.address, 80)
        received += packet.length
        deliver(tcp, packet, pair.now)
      }
      most = Math.max(most, tcp.counters.open)
      pair.run(done, STEP)
      // Nothing was left to do.
      pair.now = Math.max(pair.now, due)
    }
  }
  let begun = 0
  const talk = transfer(pair, random, {
    up: TOTAL,
    down: TOTAL,
    listening: () => {
      flood(pair.now + 5000, () => false)
      begun = pair.now
    },
  })
  let opened = Number.POSITIVE_INFINITY
  const start = talk.socket.onConnect
  talk.socket.onConnect = () => {
    opened = pair.now - begun
    start()
  }
  flood(begun + 120_000, () => talk.done)
  return { talk, opened, took: pair.now - begun, most, answered: sent / received, tcp }
}

for (const flood of [
  { rate: 500, delay: 20 },
  { rate: 5000, delay: 5 },
  { rate: 5000, delay: 300 },
  { rate: 5000, delay: 40, loss: 0.02 },
]) {
  t.test(`a client connects and carries data under ${JSON.stringify(flood)}`, async (t) => {
    const { talk, opened, took, most, answered, tcp } = visit(flood)
    t.ok(talk.done, `done after ${took} ms`)
    t.ok(opened < 3 * flood.delay || flood.loss, `open after ${opened} ms`)
    for (const side of [talk.client, talk.server]) {
      t.match(side, { received: TOTAL, wrongAt: -1, error: undefined })
    }
    t.ok(most <= BACKLOG + 1, `${most} connections, half-open ones included`)
    t.ok(answered < 3, `${answered} bytes go out for each that comes`)
    const { sent, received } = tcp.counters.cookies
    if (flood.rate === 500) t.equal(sent, 0, 'a slow flood has no need of cookies')
    else t.ok(sent > 1000 && received > 0, `${sent} cookies`)
  })
}

t.test('a connection by cookie is as fast as another', async (t) => {
  const time = (rate: number) => visit({ rate, delay: 50 }).took
  const [usual, flooded] = [time(1), time(5000)]
  t.ok(flooded < 1.2 * usual, `${usual} ms, ${flooded} ms by cookie`)
})
