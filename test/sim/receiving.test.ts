/** What a receiver tells of losses when a whole burst reaches it in one turn: all of it, in an order that does not look like reordering. */
import t from 'tap'
import type { Connection } from '../../src/stack/tcp/connection.js'
import { parse } from './monitor.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

for (const every of [2, 3, 5]) {
  t.test(`each ${every}th segment of a burst is lost: only those are sent again`, async (t) => {
    const random = new SeededRandom(4)
    const pair = new Pair({ random, there: { delay: 15 }, pacing: false, congestion: 'cubic' })
    let seen = 0
    let lost = 0
    pair.a.out.lose = (packet) => {
      const p = parse(packet)
      if (p === undefined || p.data.length === 0 || seen++ < 60 || seen > 120) return false
      if (seen % every !== 0) return false
      lost++
      return true
    }
    let most = 0
    pair.a.onReceive = (packet) => {
      most = Math.max(most, (parse(packet)?.options.sackCount ?? 0) as number)
    }
    const talk = transfer(pair, random, { up: 400_000, down: 1 })
    pair.run(() => talk.done)
    t.equal(talk.server?.received, 400_000)
    t.ok(lost >= 10, `${lost} were lost`)
    t.equal(most, 3, 'ACKs are full of blocks')
    t.equal(pair.a.tcp.counters.retransmits, lost)
    t.equal(pair.a.tcp.counters.timeouts, 0)
    t.notOk((talk.socket as Connection).rack.reorderingSeen, 'nothing looks reordered')
  })
}

t.test('the window opens as fast over a path that loses', async (t) => {
  const random = new SeededRandom(8)
  const pair = new Pair({
    random,
    there: { delay: 50, rate: 12_500, loss: 0.01 },
    back: { delay: 50 },
  })
  const talk = transfer(pair, random, { up: 30_000_000, down: 1 })
  let edge = 0
  pair.b.onSend = (packet) => {
    edge = Math.max(edge, (parse(packet)?.window ?? 0) << 8)
  }
  pair.run(() => (talk.server?.received ?? 0) > 4_000_000)
  t.ok(edge >= 2_000_000, `${edge} bytes`)
  pair.run(() => talk.done)
  t.equal(talk.server?.received, 30_000_000)
})
