import t from 'tap'
import { merged, ratios, regressions } from '../../bench/ratios.js'

const row = (contestant: string, ...runs: Record<string, number>[]) => ({
  path: '0ms',
  case: 'up, 1 stream',
  contestant,
  runs,
})

t.test('ratios are of medians, to each peer', (t) => {
  const rows = [
    row('pvpn', { gbit: 1, cpuPerGB: 4 }, { gbit: 9, cpuPerGB: 4 }, { gbit: 2, cpuPerGB: 5 }),
    row('engine', { gbit: 1, cpuPerGB: 8 }),
    row('kernel', { gbit: 4, cpuPerGB: 0 }),
    { ...row('engine', { gbit: 7 }), path: '30ms' },
  ]
  t.same(ratios(rows), {
    '0ms, up, 1 stream, gbit, engine': 2,
    '0ms, up, 1 stream, cpuPerGB, engine': 0.5,
    '0ms, up, 1 stream, gbit, kernel': 0.5,
  })
  t.end()
})

t.test('worse is less throughput or more cost, beyond the tolerance', (t) => {
  const [gbit, cpu] = ['0ms, up, 1 stream, gbit, engine', '0ms, up, 1 stream, cpuPerGB, engine']
  const stored = { [gbit]: 2, [cpu]: 0.5, '30ms, up, 1 stream, gbit, engine': 3 }
  t.same(regressions({ [gbit]: 1.5, [cpu]: 0.6 }, stored), [])
  t.same(regressions({ [gbit]: 9, [cpu]: 0.1 }, stored), [])
  t.same(regressions({ [gbit]: 1.3, [cpu]: 0.7 }, stored), [
    `${gbit}: 1.3 times the peer's, was 2`,
    `${cpu}: 0.7 times the peer's, was 0.5`,
  ])
  const twin = '0ms, up, 1 stream, cpuPerGB, pvpn, addon off'
  t.same(regressions({ [twin]: 0.3 }, { [twin]: 0.7 }), [], 'a peer with a comma in its name')
  t.match(regressions({ [twin]: 1 }, { [twin]: 0.7 }), [twin])
  t.same(merged({ [cpu]: 0.7 }, stored), { ...stored, [cpu]: 0.7 })
  t.end()
})
