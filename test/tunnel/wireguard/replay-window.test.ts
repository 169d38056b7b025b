/** The replay window against a set that forgets nothing. */
import t from 'tap'
import { WG_REPLAY_WINDOW } from '../../../src/tunnel/wireguard/limits.js'
import { ReplayWindow } from '../../../src/tunnel/wireguard/replay-window.js'
import { seededNumbers } from '../../support/seeded.js'
import { SEED } from './world.js'

const W = WG_REPLAY_WINDOW

t.test('in order, again, late, too late', (t) => {
  const steps: [counter: number, accepted: boolean][] = [
    [0, true],
    [0, false],
    [1, true],
    [1, false],
    [9, true],
    [8, true],
    [7, true],
    [7, false],
    [W - 1, true],
    [W, true],
    [W - 1, false],
    [W - 2, true],
    [2, true],
    [2, false],
    [W + 16, true],
    [3, false],
    [W + 16, false],
    [17, true],
    [16, false],
    [W * 4, true],
    [W * 4 - (W - 1), true],
    [10, false],
    [W * 4 - W, false],
    [W * 4 - (W + 1), false],
    [W * 4 - (W - 2), true],
    [W * 4 + 1 - W, false],
    [0, false],
    [2 ** 52 - 1, true],
    [2 ** 52 - 1, false],
    [2 ** 52 - 2, true],
    [2 ** 52 - W, true],
    [2 ** 52 - W - 1, false],
  ]
  const window = new ReplayWindow()
  for (const [i, [counter, accepted]] of steps.entries()) {
    t.equal(window.accept(counter), accepted, `step ${i}: ${counter}`)
  }
  t.end()
})

t.test(`random walks agree with a set, seed ${SEED}`, (t) => {
  const random = seededNumbers(SEED)
  for (let round = 0; round < 30; round++) {
    const window = new ReplayWindow()
    const seen = new Set<number>()
    const reach = [10, 100, W, 3 * W][round % 4] as number
    let newest = 0
    for (let i = 0; i < 5000; i++) {
      const counter = Math.max(0, newest + Math.floor((random() - 0.7) * reach))
      const expected = !seen.has(counter) && (counter > newest || newest - counter < W)
      if (window.accept(counter) !== expected) {
        t.fail(`round ${round}: counter ${counter}, newest ${newest}, expected ${expected}`)
        break
      }
      if (expected) seen.add(counter)
      newest = Math.max(newest, counter)
    }
  }
  t.pass('30 walks of 5000 steps')
  t.end()
})
