import fc from 'fast-check'
import t from 'tap'
import { WindowedMaximum } from '../../../src/stack/tcp/windowed-maximum.js'

t.test('never below the newest sample, never above the largest of the window', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 1000 })), {
        minLength: 1,
        maxLength: 200,
      }),
      (steps) => {
        const window = 10
        const maximum = new WindowedMaximum(window)
        const seen: { at: number; value: number }[] = []
        let at = 0
        for (const [step, value] of steps) {
          at += step
          seen.push({ at, value })
          maximum.add(at, value)
          const recent = seen.filter((s) => at - s.at <= window).map((s) => s.value)
          if (maximum.value < value || maximum.value > Math.max(...recent)) return false
        }
        return true
      },
    ),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('an old best is forgotten for the second best of its window', async (t) => {
  const maximum = new WindowedMaximum(10)
  maximum.add(0, 100)
  maximum.add(4, 80)
  maximum.add(8, 60)
  t.equal(maximum.value, 100)
  maximum.add(12, 10)
  t.equal(maximum.value, 80)
  maximum.add(16, 10)
  t.equal(maximum.value, 60)
  maximum.add(30, 5)
  t.equal(maximum.value, 5)
})
