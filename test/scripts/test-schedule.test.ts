import t from 'tap'
import { type Cost, nextFile } from '../../scripts/test-schedule.js'

const cost = (seconds: number, cores: number): Cost => ({ seconds, cores })

t.test('the longest of those that fit begins', async (t) => {
  const waiting = [cost(5, 1), cost(90, 0.2), cost(200, 0.9), cost(90, 0.1)]
  t.equal(nextFile(waiting, [], 2), 2)
  t.equal(nextFile(waiting, [cost(9, 1)], 2), 2)
  t.equal(nextFile(waiting, [cost(9, 1), cost(9, 0.8)], 2), 1, 'room for one that waits, no other')
  t.equal(nextFile(waiting, [cost(9, 1), cost(9, 0.9)], 2), 3)
  t.equal(nextFile(waiting, [cost(9, 1), cost(9, 1)], 2), undefined)
  t.equal(nextFile([cost(1, 0.7)], [cost(1, 1), cost(1, 0.1), cost(1, 0.2)], 2), 0, 'to the brim')
})

t.test('however little they work, not all at once', async (t) => {
  const silent = Array.from({ length: 9 }, () => cost(60, 0))
  t.equal(nextFile(silent, silent.slice(0, 5), 2), 0)
  t.equal(nextFile(silent, silent.slice(0, 6), 2), undefined)
})

t.test('something always runs, and nothing waits for ever', async (t) => {
  t.equal(nextFile([cost(1, 1), cost(9, 3)], [], 2), 1, 'what wants more than there is')
  t.equal(nextFile([cost(9, 2)], [cost(1, 0.1)], 2), undefined)
  t.equal(nextFile([], [], 2), undefined)
})
