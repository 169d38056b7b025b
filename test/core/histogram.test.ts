import fc from 'fast-check'
import t from 'tap'
import { ERROR_CODES } from '../../src/core/errors.js'
import { OutcomeCounts } from '../../src/core/figures.js'
import { Histogram } from '../../src/core/histogram.js'

t.test('a value on a bound belongs below it, one above all to the last bucket', async (t) => {
  const histogram = new Histogram([1, 5])
  for (const value of [0, 1, 1.001, 5, 5.1, 1e9]) histogram.observe(value)
  t.same(histogram.figures.counts, [2, 2, 2])
  t.equal(histogram.figures.sum, 0 + 1 + 1.001 + 5 + 5.1 + 1e9)
})

t.test('figures are a copy', async (t) => {
  const histogram = new Histogram([1])
  const { figures } = histogram
  histogram.observe(1)
  t.same(figures.counts, [0, 0])
})

t.test('whatever is counted, nothing is lost and nothing grows', async () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, noNaN: true, max: 1e12 })), (values) => {
      const histogram = new Histogram([0.5, 10, 1000])
      for (const value of values) histogram.observe(value)
      const { counts } = histogram.figures
      return counts.length === 4 && counts.reduce((a, b) => a + b, 0) === values.length
    }),
  )
})

t.test('outcomes are a closed set that begins at 0', async (t) => {
  const { counts, add } = new OutcomeCounts()
  t.same(Object.keys(counts), ['ok', ...ERROR_CODES])
  add('ok')
  add('ERR_REFUSED')
  add('ERR_REFUSED')
  t.equal(counts.ok, 1)
  t.equal(counts.ERR_REFUSED, 2)
  t.equal(
    Object.values(counts).reduce((a, b) => a + b, 0),
    3,
  )
})
