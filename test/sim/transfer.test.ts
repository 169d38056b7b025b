import t from 'tap'
import type { LinkOptions } from './link.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

const LINKS: Readonly<Record<string, LinkOptions>> = {
  'a perfect link': { delay: 0.05 },
  'a link that loses': { delay: 10, loss: 0.02 },
  'a link that reorders': { delay: 10, reorder: 0.1, jitter: 5 },
  'a link that duplicates': { delay: 5, duplicate: 0.1 },
  'a link that corrupts': { delay: 5, corrupt: 0.02 },
  'a slow link with a short queue': { delay: 20, rate: 1250, queue: 30_000 },
  'a link that does it all': {
    delay: 15,
    loss: 0.03,
    duplicate: 0.03,
    reorder: 0.05,
    corrupt: 0.01,
    jitter: 20,
    rate: 5000,
    queue: 60_000,
  },
}

for (const family of [4, 6] as const) {
  for (const [name, link] of Object.entries(LINKS)) {
    t.test(`IPv${family} over ${name}: both ways at once, then half-closed`, async (t) => {
      for (const halfClose of [false, true]) {
        const random = new SeededRandom(7)
        const pair = new Pair({ random, there: link, family })
        const talk = transfer(pair, random, { up: 500_000, down: 700_000, halfClose })
        pair.run(() => talk.done)
        t.ok(talk.done, 'both sides are closed')
        t.equal(talk.client.error, undefined)
        t.equal(talk.server?.error, undefined)
        t.equal(talk.server?.received, 500_000)
        t.equal(talk.client.received, 700_000)
        t.equal(talk.client.wrongAt, -1)
        t.equal(talk.server?.wrongAt, -1)
        t.equal(pair.a.tcp.counters.open + pair.b.tcp.counters.open, 0)
      }
    })
  }
}

t.test('memory of what was read and acknowledged is used again', async (t) => {
  const random = new SeededRandom(3)
  const pair = new Pair({ random, there: { delay: 1, rate: 100_000, queue: 200_000, loss: 0.001 } })
  const talk = transfer(pair, random, { up: 10_000_000, down: 10_000_000 })
  pair.run(() => talk.done)
  t.equal(talk.client.wrongAt, -1)
  t.equal(talk.server?.wrongAt, -1)
  for (const { allocator } of [pair.a, pair.b]) {
    const { asked, made } = allocator
    t.ok(made < asked / 3, `${made} of ${asked} pieces were made anew`)
  }
})
