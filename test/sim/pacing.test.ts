/** Windows are spread over their round trip, so that a short queue on the way is enough. */
import t from 'tap'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

const SIZE = 20_000_000
/** 100 Mbit/s (12,500 bytes a millisecond) over 30 ms: 375 kB in flight; the queue has 100 kB, a socket buffer's worth. */
const LINK = { delay: 15, rate: 12_500, queue: 100_000 }

function run(pacing: boolean) {
  const random = new SeededRandom(5)
  const pair = new Pair({ random, there: LINK, pacing })
  const talk = transfer(pair, random, { up: SIZE, down: 1 })
  let burst = 0
  let largest = 0
  let at = -1
  pair.a.onSend = (packet, now) => {
    burst = now === at ? burst + packet.length : packet.length
    at = now
    largest = Math.max(largest, burst)
  }
  const ms = pair.run(() => talk.done)
  return { ms, largest, dropped: pair.a.out.dropped, whole: talk.server?.received === SIZE }
}

t.test('a short queue', async (t) => {
  const paced = run(true)
  const bursts = run(false)
  t.ok(paced.whole && bursts.whole)
  t.comment(JSON.stringify({ paced, bursts }))
  t.ok(paced.largest < bursts.largest, 'bursts are smaller')
  t.ok(paced.ms < bursts.ms, 'and it is done sooner')
  t.ok(paced.ms < (SIZE / LINK.rate) * 1.6, 'the link is used for most of the time')
})
