/** The far corners of what paths may be: goodput, and the rules that hold everywhere. */
import t from 'tap'
import type { Connection } from '../../src/stack/tcp/connection.js'
import type { LinkOptions } from './link.js'
import { Monitor, watchWindow } from './monitor.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

interface Corner {
  readonly link: LinkOptions & { readonly rate: number }
  readonly size: number
  /** Least part of the rate, slow start included. */
  readonly part: number
  /** A retransmission time-out would mean that RACK has missed something. */
  readonly timeouts?: number
  /** Longest that a packet may stand in the queue after the start, in milliseconds. */
  readonly wait?: number
}

const CORNERS: Readonly<Record<string, Corner>> = {
  '10 kbit/s, 600 ms': {
    link: { rate: 1.25, delay: 300, queue: 15_000 },
    size: 60_000,
    part: 0.75,
  },
  '10 Mbit/s, 600 ms, loss 0.01 %': {
    link: { rate: 1250, delay: 300, loss: 0.0001, queue: 750_000 },
    size: 30_000_000,
    part: 0.7,
    timeouts: 0,
  },
  '10 Mbit/s, 600 ms, loss 1 %': {
    link: { rate: 1250, delay: 300, loss: 0.01, queue: 750_000 },
    size: 30_000_000,
    part: 0.5,
    timeouts: 0,
  },
  '10 Mbit/s, 30 ms, loss 10 %': {
    link: { rate: 1250, delay: 15, loss: 0.1, queue: 37_500 },
    size: 10_000_000,
    part: 0.4,
  },
  '10 Mbit/s, 30 ms, a queue of one second': {
    link: { rate: 1250, delay: 15, queue: 1_250_000 },
    size: 20_000_000,
    part: 0.9,
    timeouts: 0,
    wait: 150,
  },
  '1 Mbit/s, 1 ms, a queue of one second': {
    link: { rate: 125, delay: 0.5, queue: 125_000 },
    size: 2_000_000,
    part: 0.9,
    timeouts: 0,
  },
  '10 Gbit/s, 1 ms': {
    link: { rate: 1_250_000, delay: 0.5, queue: 2_500_000 },
    size: 150_000_000,
    part: 0.3,
    timeouts: 0,
  },
  '100 Mbit/s, 30 ms, reordering 10 %, duplicates 5 %': {
    link: { rate: 12_500, delay: 15, reorder: 0.1, jitter: 5, duplicate: 0.05, queue: 375_000 },
    size: 40_000_000,
    part: 0.7,
    timeouts: 0,
  },
}

for (const [name, { link, size, part, timeouts, wait }] of Object.entries(CORNERS)) {
  t.test(name, async (t) => {
    const random = new SeededRandom(17)
    const pair = new Pair({ random, there: link, back: { delay: link.delay } })
    const monitors = [new Monitor(pair.a), new Monitor(pair.b)]
    const talk = transfer(pair, random, { up: size, down: 1 })
    const c = talk.socket as Connection
    const breaches: string[] = []
    watchWindow(pair.a, () => c, breaches)
    let longest = 0
    const done = () => {
      if ((talk.server?.received ?? 0) > size / 2)
        longest = Math.max(longest, pair.a.out.waits(pair.now))
      return talk.server?.received === size
    }
    const ms = pair.run(done, 3_600_000)
    const got = size / ms / link.rate
    const { counters } = pair.a.tcp
    t.comment(
      `${got.toFixed(2)} of the rate, ${counters.timeouts} time-outs, ${longest.toFixed(0)} ms in the queue`,
    )
    t.equal(talk.server?.received, size)
    t.equal(talk.server?.wrongAt, -1)
    t.same(monitors.flatMap((m) => m.breaches).slice(0, 3), [])
    t.same(breaches.slice(0, 3), [], 'never beyond the congestion window')
    t.ok(got >= part, `${got}`)
    if (timeouts !== undefined) t.equal(counters.timeouts, timeouts)
    if (wait !== undefined) t.ok(longest <= wait, `${longest} ms`)
  })
}
