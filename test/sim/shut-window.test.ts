/** A reader that stops for an hour: the sender probes (RFC 9293 section 3.8.6.1), does not give up, and goes on. */
import t from 'tap'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { transfer } from './transfer.js'

const HOUR = 3_600_000

t.test('a window that stays shut for an hour', async (t) => {
  // Of the losses, some hit probes and answers.
  for (const loss of [0, 0.05]) {
    const random = new SeededRandom(11)
    const pair = new Pair({ random, there: { delay: 5, loss } })
    const talk = transfer(pair, random, { up: 3_000_000, down: 1, lazy: true })
    let probes = 0
    pair.a.onSend = () => {
      probes++
    }
    pair.run(() => false, 60_000)
    t.equal(talk.server?.received, 0, 'nobody reads')
    probes = 0
    pair.run(() => false, HOUR)
    t.ok(probes >= HOUR / 30_000 - 1 && probes < HOUR / 10_000, `${probes} probes in an hour`)
    t.equal(talk.client.error, undefined, 'the sender waits')
    for (let i = 0; i < 1000 && !talk.poll(1); i++) pair.run(() => talk.poll(1), 60_000)
    t.equal(talk.server?.received, 3_000_000)
    t.equal(talk.server?.wrongAt, -1)
    t.equal(talk.client.error, undefined)
  }
})

t.test('a far side that is gone is given up, at one time and with few packets', async (t) => {
  const random = new SeededRandom(12)
  const pair = new Pair({ random, there: { delay: 5 } })
  const talk = transfer(pair, random, { up: 3_000_000, down: 1, lazy: true })
  pair.run(() => false, 60_000)
  pair.b.out.send = () => undefined
  let packets = 0
  pair.a.onSend = () => {
    packets++
  }
  pair.run(() => talk.client.closed, HOUR)
  t.match(talk.client.error, { code: 'ERR_TIMEOUT' })
  t.ok(packets < 20, `${packets} packets until then`)
})
