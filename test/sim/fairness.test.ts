/** 64 streams of one environment over one bottleneck: each gets its part, within a factor of two. */
import t from 'tap'
import type { ByteStream } from '../../src/core/stream.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'

const STREAMS = 64
/** 50 Mbit/s, in bytes per millisecond. */
const RATE = 6250
const DELAY = 15
const SETTLE = 10_000
const MEASURE = 30_000
const CHUNK = new Uint8Array(65_536)

/** Bytes that each stream carries while measured, fewest first. */
function parts(congestion: 'bbr' | 'cubic'): number[] {
  const random = new SeededRandom(21)
  const there = { delay: DELAY, rate: RATE, queue: 2 * RATE * 2 * DELAY }
  const pair = new Pair({ random, there, back: { delay: DELAY }, congestion })
  const got: number[] = []
  pair.b.tcp.listen({ port: 80 }).onConnection = (stream: ByteStream) => {
    const index = got.push(0) - 1
    stream.onReadable = () => {
      got[index] = (got[index] as number) + (stream.read()?.length ?? 0)
    }
  }
  for (let i = 0; i < STREAMS; i++) {
    const socket = pair.a.tcp.connect({ address: pair.b.address, port: 80 }, pair.now)
    const write = () => {
      while (socket.write(CHUNK) === CHUNK.length);
    }
    socket.onConnect = write
    socket.onWritable = write
  }
  pair.run(() => false, SETTLE)
  const before = [...got]
  pair.run(() => false, MEASURE)
  return got.map((bytes, i) => bytes - (before[i] as number)).sort((a, b) => a - b)
}

for (const congestion of ['bbr', 'cubic'] as const) {
  t.test(`${STREAMS} streams by ${congestion}`, async (t) => {
    const all = parts(congestion)
    const sum = all.reduce((a, b) => a + b, 0)
    const mean = sum / STREAMS
    const squares = all.reduce((a, b) => a + b * b, 0)
    const [tenth, ninth] = [all[6] as number, all[57] as number]
    t.comment(
      `least ${((all[0] as number) / mean).toFixed(2)}, most ${((all[63] as number) / mean).toFixed(2)} of the mean, Jain's index ${((sum * sum) / (STREAMS * squares)).toFixed(3)}, p90/p10 ${(ninth / tenth).toFixed(2)}, ${(sum / MEASURE / RATE).toFixed(2)} of the link`,
    )
    t.equal(all.length, STREAMS)
    t.ok(sum / MEASURE / RATE >= 0.85, 'the link is used')
    t.ok((all[63] as number) <= 2 * (all[0] as number), 'most to least')
  })
}
