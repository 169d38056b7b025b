/** A machine that has too much to do runs us late: that is no sign of the path, and must not end startup. */
import t from 'tap'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

/** Bytes per millisecond. */
const RATE = 12_500
const SIZE = 40_000_000

for (const [every, length] of [
  [100, 50],
  [150, 100],
  [60, 25],
] as const) {
  t.test(`not run for ${length} of ${every} ms`, async (t) => {
    const random = new SeededRandom(9)
    const there = { delay: 15, rate: RATE, queue: 400_000 }
    const pair = new Pair({ random, there, back: { delay: 15 }, stalls: { every, length } })
    const talk = transfer(pair, random, { up: SIZE, down: 1 })
    const ms = pair.run(() => talk.server?.received === SIZE, 120_000)
    const part = SIZE / ms / RATE
    t.comment(`${part.toFixed(2)} of the link`)
    t.ok(part >= 0.5 * (1 - length / every))
  })
}

/**
 * A timer of whole milliseconds, or a core that others use as well, runs us for a moment of every few
 * milliseconds. What the pace allowed meanwhile is owed.
 */
for (const [every, length] of [
  [3, 2],
  [5, 4],
  [10, 8],
] as const) {
  t.test(`run for ${every - length} of ${every} ms: the rate is caught up with`, async (t) => {
    const random = new SeededRandom(9)
    const there = { delay: 15, rate: RATE, queue: 400_000 }
    const pair = new Pair({ random, there, back: { delay: 15 }, stalls: { every, length } })
    const talk = transfer(pair, random, { up: SIZE, down: 1 })
    const grown = pair.run(() => (talk.server?.received ?? 0) >= SIZE / 8, 120_000)
    const ms = pair.run(() => talk.server?.received === SIZE, 120_000)
    const part = ((7 / 8) * SIZE) / ms / RATE
    t.comment(`${part.toFixed(2)} of the link after ${grown.toFixed(0)} ms`)
    t.ok(part >= 0.8)
  })
}
