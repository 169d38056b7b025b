/** Timestamps of initiations. */
import t from 'tap'
import { isLater, TimestampSource } from '../../../src/tunnel/wireguard/tai64n.js'

const shown = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

t.test('the label of a second', (t) => {
  // 2^62 + 10 + 1,600,000,000 s; 960 ms is a whole number of steps of 16 ms.
  t.equal(shown(new TimestampSource().next(1_600_000_000_960)), '400000005f5e100a39387000')
  t.end()
})

t.test('always later than the last, also when the clock stands still or goes back', (t) => {
  const source = new TimestampSource()
  let last = source.next(1_600_000_000_000)
  for (const clock of [
    1_600_000_000_000, 1_600_000_000_001, 1_500_000_000_000, 1_600_000_000_500,
  ]) {
    const next = source.next(clock)
    t.ok(isLater(next, last), `${shown(next)} after ${shown(last)}`)
    t.notOk(isLater(last, next))
    last = next
  }
  t.notOk(isLater(last, last), 'not later than itself')
  t.end()
})

t.test('the order of bytes is the order in time over the year 2106', (t) => {
  const source = new TimestampSource()
  const before = source.next((2 ** 32 - 12) * 1000)
  const after = source.next((2 ** 32 + 5) * 1000)
  t.ok(isLater(after, before))
  t.end()
})
