/** What counts as in flight where segments that were taken for lost arrive after all. */
import t from 'tap'
import type { Delivery } from '../../src/stack/tcp/acknowledge.js'
import type { Connection } from '../../src/stack/tcp/connection.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

const SIZE = 4_000_000

t.test('what was taken for lost is not in flight when it arrives', async (t) => {
  const there = { delay: 15, rate: 1250, queue: 200_000 }
  const pair = new Pair({ random: new SeededRandom(8), there, back: { delay: 15 } })
  const talk = transfer(pair, new SeededRandom(9), { up: SIZE, down: 1 })
  const c = talk.socket as Connection
  let [before, most] = [0, 0]
  let [acks, wrong, sums] = [0, 0, 0]
  pair.a.onReceive = () => {
    before = c.pipe
  }
  const start = talk.socket.onConnect
  talk.socket.onConnect = () => {
    const { congestion } = c
    const acknowledged = congestion.acknowledged.bind(congestion)
    congestion.acknowledged = (connection, d: Delivery, newly, lost) => {
      acks++
      if (d.inFlight !== before) wrong++
      // What is in flight now, what has arrived and what is newly lost: no measure of it.
      const sum = connection.pipe + d.bytes + lost
      if (sum > before) sums++
      most = Math.max(most, sum - before)
      acknowledged(connection, d, newly, lost)
    }
    start()
  }
  pair.run(() => (talk.server?.received ?? 0) > SIZE / 2, 600_000)
  // The path stands still until a time-out takes all for lost, and then brings it.
  pair.a.out.heldUntil = pair.now + 1000
  pair.run(() => talk.server?.received === SIZE, 600_000)
  t.equal(talk.server?.received, SIZE)
  t.equal(wrong, 0, `of ${acks} ACKs`)
  t.ok(sums > 0 && most > 10_000, `${sums} sums are too large, by up to ${most} bytes`)
})
