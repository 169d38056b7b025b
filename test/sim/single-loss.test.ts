/** One packet lost, each in turn: RACK and the tail probe must repair it without a retransmission time-out. */
import t from 'tap'
import { parse } from './monitor.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

/** Loses the data segment with this number, once; the result says how the transfer went. */
function run(index: number, total: number, delay: number) {
  const random = new SeededRandom(3)
  const pair = new Pair({ random, there: { delay } })
  let seen = 0
  pair.a.out.lose = (packet) => {
    const p = parse(packet)
    return p !== undefined && p.data.length > 0 && seen++ === index
  }
  const talk = transfer(pair, random, { up: total, down: 0 })
  const took = pair.run(() => talk.done)
  return { took, talk, seen, counters: pair.a.tcp.counters }
}

t.test('each single loss is repaired without a time-out and with one retransmission', async (t) => {
  const clean = run(-1, 100_000, 20)
  t.equal(clean.counters.retransmits, 0)
  for (let index = 0; index < clean.seen; index++) {
    const { took, talk, counters } = run(index, 100_000, 20)
    t.equal(talk.server?.received, 100_000)
    t.equal(counters.timeouts, 0, `no time-out when segment ${index} is lost`)
    t.ok(counters.retransmits <= 2, `${counters.retransmits} retransmissions`)
    t.ok(took < clean.took + 400, `${took} ms, ${clean.took} without loss`)
  }
})
