/** A receiver that is the slowest part of the path: the link's rate is what it can take in, the queue stands in its socket. */
import t from 'tap'
import { PRESSURE_CAP_LEAST, PRESSURE_TARGET, RECEIVE_BUFFER } from '../../src/stack/tcp/limits.js'
import { ReceivePressure } from '../../src/stack/tcp/receive-pressure.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

const SIZE = 60_000_000
/** Bytes a millisecond: 400 Mbit/s. */
const RATE = 50_000

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? 0
}

/** Uploads from `a` to `b`, which is told what waits in front of it, or not. */
function run(delay: number, told: boolean) {
  const random = new SeededRandom(7)
  const there = { delay, rate: RATE }
  const pair = new Pair({ random, there, back: { delay }, congestion: 'cubic' })
  const talk = transfer(pair, random, { up: SIZE, down: 1 })
  const queue: number[] = []
  pair.b.onReceive = (_packet, now) => {
    const waiting = pair.a.out.waiting(now)
    queue.push(waiting)
    if (told) pair.b.tcp.waiting(waiting, now)
  }
  const ms = pair.run(() => talk.done)
  const used = SIZE / RATE / ms
  return { queue: median(queue), used, whole: talk.server?.received === SIZE }
}

t.test('on a short path the queue is short, and the receiver no less busy', async (t) => {
  const [told, untold] = [run(0.2, true), run(0.2, false)]
  t.comment(JSON.stringify({ told, untold }))
  t.ok(told.whole && untold.whole)
  t.ok(told.queue < 3 * PRESSURE_TARGET, `${told.queue} bytes wait`)
  t.ok(told.queue < untold.queue * 0.7, `not told: ${untold.queue}`)
  t.ok(told.used > untold.used * 0.93, `${told.used} of its time is used`)
})

t.test('on a long path what is under way stays under way', async (t) => {
  const [told, untold] = [run(15, true), run(15, false)]
  t.comment(JSON.stringify({ told, untold }))
  t.ok(told.whole && untold.whole)
  t.ok(told.queue < untold.queue / 5, `${told.queue} bytes wait, not told: ${untold.queue}`)
  t.ok(told.used > untold.used * 0.9, `${told.used} of its time is used`)
})

/** Samples every millisecond with so much waiting. */
function press(
  p: ReceivePressure,
  from: number,
  ms: number,
  waiting: (at: number) => number,
): void {
  for (let at = from; at < from + ms; at++)
    p.sample(at, waiting(at), at * 100_000, 1, RECEIVE_BUFFER)
}

t.test('bursts that are worked off do not count, what stands does, and it passes', async (t) => {
  const p = new ReceivePressure()
  press(p, 0, 1000, (at) => (at % 8 === 0 ? 0 : 20 * PRESSURE_TARGET))
  t.same([p.standing, p.cap], [false, RECEIVE_BUFFER])
  press(p, 1000, 15, () => 20 * PRESSURE_TARGET)
  t.ok(p.standing && p.cap < RECEIVE_BUFFER && p.cap >= RECEIVE_BUFFER / 4, String(p.cap))
  press(p, 1015, 1000, () => 20 * PRESSURE_TARGET)
  t.equal(p.cap, PRESSURE_CAP_LEAST)
  press(p, 2015, 1000, () => 0)
  t.same([p.standing, p.cap], [false, RECEIVE_BUFFER])
  press(p, 3015, 1000, () => 20 * PRESSURE_TARGET)
  p.sample(9000, 20 * PRESSURE_TARGET, 1e9, 1, RECEIVE_BUFFER)
  t.same([p.standing, p.cap], [false, RECEIVE_BUFFER], 'a quiet time lay in between')
})
