import t from 'tap'
import { FlowMix, FlowUse } from '../../src/stack/flow-mix.js'
import {
  FLOW_HEAVY_TIME,
  FLOW_LIGHT_PACKETS,
  FLOW_MIX_TIME,
  FLOW_SPAN,
} from '../../src/stack/limits.js'

t.test('light beside heavy is a mix, for as long as both carry something', async (t) => {
  const mix = new FlowMix()
  const [light, heavy] = [new FlowUse(), new FlowUse()]
  t.notOk(mix.mixed(0), 'nothing is')
  mix.count(light, 1, 10)
  t.notOk(mix.mixed(10), 'nor a light one alone')
  mix.count(heavy, FLOW_LIGHT_PACKETS + 1, 20)
  t.ok(mix.mixed(20))
  const last = 10 + FLOW_MIX_TIME
  for (let now = 20; now < last + 50; now += 10) mix.count(heavy, FLOW_LIGHT_PACKETS, now)
  t.ok(mix.mixed(last - 1))
  t.notOk(mix.mixed(last), 'the light one is silent')
  const later = last + 40
  mix.count(light, 1, later)
  t.ok(mix.mixed(later))
  t.notOk(mix.mixed(later + FLOW_MIX_TIME), 'and then both are')
  mix.count(light, 1, later + FLOW_MIX_TIME)
  t.notOk(mix.mixed(later + FLOW_MIX_TIME), 'the light one alone again')
})

t.test(
  'heavy ones among themselves are none, though each pauses and comes in bursts',
  async (t) => {
    const mix = new FlowMix()
    const uses = Array.from({ length: 8 }, () => new FlowUse())
    for (const use of uses) mix.count(use, FLOW_LIGHT_PACKETS + 1, 0)
    for (let now = 1; now < 10 * FLOW_HEAVY_TIME; now += FLOW_HEAVY_TIME - 1) {
      for (const use of uses) {
        mix.count(use, 1, now)
        t.notOk(mix.mixed(now))
        mix.count(use, FLOW_LIGHT_PACKETS, now + 1)
      }
    }
  },
)

t.test('one that carried much once is a light one again in time', async (t) => {
  const mix = new FlowMix()
  const [once, heavy] = [new FlowUse(), new FlowUse()]
  mix.count(once, FLOW_LIGHT_PACKETS + 1, 0)
  mix.count(heavy, FLOW_LIGHT_PACKETS + 1, FLOW_HEAVY_TIME)
  mix.count(once, 1, FLOW_HEAVY_TIME - 1)
  t.notOk(mix.mixed(FLOW_HEAVY_TIME))
  mix.count(once, 1, FLOW_HEAVY_TIME)
  t.ok(mix.mixed(FLOW_HEAVY_TIME))
})

t.test('what counts is how much comes in one span', async (t) => {
  const mix = new FlowMix()
  const [steady, heavy] = [new FlowUse(), new FlowUse()]
  let now = 0
  for (let n = 0; n < 100; n++, now += FLOW_SPAN / FLOW_LIGHT_PACKETS) {
    mix.count(steady, 1, now)
    mix.count(heavy, FLOW_LIGHT_PACKETS + 1, now)
    t.ok(mix.mixed(now))
  }
})
