/** A lost SYN, or SYN-ACK, on a path that earlier connections have shown to be good. */
import t from 'tap'
import { TCP_SYN } from '../../src/wire/tcp.js'
import { parse } from './monitor.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'

const TRIP = 30

/** A pair that has had one connection; the clock then moves on. */
function known(delay = TRIP / 2) {
  const pair = new Pair({ random: new SeededRandom(3), there: { delay } })
  pair.b.tcp.listen({ port: 80 }).onConnection = () => {}
  connect(pair)
  return pair
}

/** Milliseconds until the connection is there, and the SYNs that were sent. */
function connect(pair: Pair, limit = 60_000) {
  let syns = 0
  let open = false
  pair.a.onSend = (packet) => {
    if (((parse(packet)?.flags ?? 0) & TCP_SYN) !== 0) syns++
  }
  const socket = pair.a.tcp.connect({ address: pair.b.address, port: 80 }, pair.now)
  socket.onConnect = () => {
    open = true
  }
  const ms = pair.run(() => open, limit)
  socket.abort()
  pair.run(() => false, 100)
  return { ms, syns, open }
}

/** Loses the next `count` SYNs. */
function lose(host: Pair['a'], count: number) {
  let left = count
  host.out.lose = (packet) => ((parse(packet)?.flags ?? 0) & TCP_SYN) !== 0 && left-- > 0
}

t.test('nothing known: a second, as RFC 6298 has it', async (t) => {
  const pair = new Pair({ random: new SeededRandom(3), there: { delay: TRIP / 2 } })
  pair.b.tcp.listen({ port: 80 }).onConnection = () => {}
  lose(pair.a, 1)
  const { ms, syns } = connect(pair)
  t.ok(ms >= 1000 && ms < 1100, `${ms} ms`)
  t.equal(syns, 2)
})

t.test('a known path: a quarter of a second, whether SYN or SYN-ACK is lost', async (t) => {
  for (const side of ['a', 'b'] as const) {
    const pair = known()
    lose(pair[side], 1)
    const { ms, syns } = connect(pair)
    t.ok(ms >= 250 && ms < 300, `${ms} ms`)
    t.equal(syns, 2)
  }
})

t.test('a far side that is gone gets one SYN more than it would, not a flood', async (t) => {
  const pair = known()
  lose(pair.a, 1000)
  const { syns, open } = connect(pair, 31_000)
  t.notOk(open)
  t.equal(syns, 7, 'at 0, 0.25, 1.25, 3.25, 7.25, 15.25 and 31.25 s')
})

t.test(
  'a slow far side waits for its own round trip; a lucky early SYN does no harm',
  async (t) => {
    const pair = known(140)
    lose(pair.a, 1)
    const { ms } = connect(pair)
    t.ok(ms >= 560 + 280 && ms < 900, `${ms} ms`)
    t.equal(connect(pair).syns, 1, 'no SYN is sent in vain')
  },
)
