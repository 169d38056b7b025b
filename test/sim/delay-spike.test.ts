/** A path that stands still for 600 ms and loses nothing: the time-outs that this brings about are found false and taken back. */
import t from 'tap'
import type { Connection } from '../../src/stack/tcp/connection.js'
import { sealTcp, TCP_SYN, tcpFlags, tcpHeaderLength } from '../../src/wire/tcp.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

const SIZE = 24_000_000
const SPIKE = 600
const TIMESTAMPS = 8
const NO_OPERATION = 1

/** Takes the offer of timestamps out of a SYN (IPv4 without options). */
function withoutTimestamps(packet: Uint8Array): void {
  if ((tcpFlags(packet, 20) & TCP_SYN) === 0) return
  const end = 20 + tcpHeaderLength(packet, 20)
  for (let at = 40; at < end; ) {
    const kind = packet[at] as number
    const length = kind <= NO_OPERATION ? 1 : (packet[at + 1] as number)
    if (kind === TIMESTAMPS) packet.fill(NO_OPERATION, at, at + length)
    at += length
  }
  packet.fill(0, 36, 38)
  sealTcp(packet, 12, 4, 20, packet.length - 20)
}

function run(options: {
  congestion: 'bbr' | 'cubic'
  timestamps: boolean
  held: 'data' | 'acknowledgments' | 'nothing'
}) {
  const random = new SeededRandom(7)
  const { congestion, timestamps, held } = options
  const pair = new Pair({ random, there: { delay: 15, rate: 12_500, queue: 400_000 }, congestion })
  if (!timestamps) pair.a.onSend = withoutTimestamps
  const talk = transfer(pair, random, { up: SIZE, down: 1 })
  const c = talk.socket as Connection
  const start = pair.now
  pair.run(() => (talk.server?.received ?? 0) > SIZE / 2)
  const before = c.congestion.capacity
  const { counters } = pair.a.tcp
  const repeated = counters.retransmits
  if (held === 'data') pair.a.out.heldUntil = pair.now + SPIKE
  else if (held === 'acknowledgments') pair.b.out.heldUntil = pair.now + SPIKE
  const spiked = pair.now + (held === 'nothing' ? 0 : SPIKE)
  pair.run(() => pair.now > spiked + 100)
  const after = c.congestion.window
  pair.run(() => talk.done)
  const whole = talk.server?.received === SIZE && talk.server.wrongAt < 0
  const { timeouts } = counters
  return {
    ms: pair.now - start,
    before,
    after,
    timeouts,
    whole,
    repeats: counters.retransmits - repeated,
  }
}

for (const congestion of ['bbr', 'cubic'] as const) {
  for (const timestamps of [true, false]) {
    const clean = run({ congestion, timestamps, held: 'nothing' })
    for (const held of ['data', 'acknowledgments'] as const) {
      const name = `${congestion}, ${timestamps ? 'with' : 'without'} timestamps, ${held} late`
      t.test(name, async (t) => {
        const spike = run({ congestion, timestamps, held })
        t.comment(JSON.stringify({ spike, clean }))
        t.ok(spike.whole)
        t.ok(spike.timeouts > 0, 'the timer runs out')
        t.ok(
          spike.repeats <= spike.timeouts + 1,
          'only the first segment and the tail probe go again',
        )
        t.ok(spike.after >= 0.8 * spike.before, 'the window is what it was')
        t.ok(spike.ms < clean.ms + SPIKE + 250, 'no more is lost than the pause')
      })
    }
  }
}
