/** One measurement of one contestant: the load's own result with what it cost. */

import type { Namespace } from '../../test/support/namespace.js'
import type { Contestant } from './contestants.js'
import { cpuSeconds, memory } from './process-tree.js'
import { type BenchLab, OTHER_CORES, TARGET } from './topology.js'

export const CASES = [
  { name: 'down, 1 stream', mode: 'down', amount: 1 },
  { name: 'down, 8 streams', mode: 'down', amount: 8 },
  { name: 'up, 1 stream', mode: 'up', amount: 1 },
  { name: 'up, 8 streams', mode: 'up', amount: 8 },
  { name: 'new connections, 64 at a time', mode: 'connect', amount: 64 },
  { name: 'first byte', mode: 'latency', amount: 1 },
  { name: 'UDP, 50,000 datagrams/s', mode: 'udp', amount: 50_000 },
  { name: 'UDP, 100,000 datagrams/s', mode: 'udp', amount: 100_000 },
] as const

export type Case = (typeof CASES)[number]

/** Name of a figure, with its unit, to its value. */
export type Figures = Readonly<Record<string, number>>

interface LoadResult {
  readonly seconds: number
  readonly bytes: number
  readonly count: number
  readonly failed: number
  readonly p50: number
  readonly p99: number
}

const SAMPLE_EVERY = 500
const PATIENCE = 20_000

/** Runs one case for `seconds`. */
export async function measure(
  lab: BenchLab,
  contestant: Contestant,
  { mode, amount }: Case,
  seconds: number,
): Promise<Figures> {
  const { roots, namespace, port, wrapper } = contestant
  const before = cpuSeconds(roots)
  const farBefore = cpuSeconds(lab.farPids)
  const overflowBefore = mode === 'udp' ? await overflows(lab.far) : 0
  let [pss, uss] = [0, 0]
  const sample = () => {
    const now = memory(roots)
    pss = Math.max(pss, now.pss)
    uss = Math.max(uss, now.uss)
  }
  const sampler = setInterval(sample, SAMPLE_EVERY)
  const proxy = wrapper === undefined ? port : 0
  const argv = [mode, proxy, TARGET, 80, amount, seconds].map(String)
  const out = await namespace
    .check([...OTHER_CORES, ...(wrapper ?? []), lab.program('load'), ...argv], {
      timeout: seconds * 1000 + PATIENCE,
    })
    .finally(() => clearInterval(sampler))
  sample()
  const r = JSON.parse(out) as LoadResult
  const cpu = cpuSeconds(roots) - before
  const share = {
    core: cpu / r.seconds,
    farCore: (cpuSeconds(lab.farPids) - farBefore) / r.seconds,
    pssMB: pss,
    ussMB: uss,
  }
  switch (mode) {
    case 'connect':
      return {
        perSecond: r.count / r.seconds,
        failed: r.failed,
        cpuMsEach: (cpu / r.count) * 1e3,
        p50ms: r.p50,
        p99ms: r.p99,
        ...share,
      }
    case 'latency':
      return { p50ms: r.p50, p99ms: r.p99, ...share }
    case 'udp':
      return {
        arrivedPerSecond: (r.count - r.failed) / r.seconds,
        lostPercent: (r.failed / r.count) * 100,
        lostByFarPercent: (((await overflows(lab.far)) - overflowBefore) / r.count) * 100,
        cpuUsEach: (cpu / r.count) * 1e6,
        ...share,
      }
    default:
      return { gbit: (r.bytes * 8) / r.seconds / 1e9, cpuPerGB: cpu / (r.bytes / 1e9), ...share }
  }
}

/** Datagrams that reached this namespace and found a full socket buffer. */
async function overflows(namespace: Namespace): Promise<number> {
  const [names = [], values = []] = (await namespace.check(['cat', '/proc/net/snmp']))
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '))
  return Number(values[names.indexOf('RcvbufErrors')])
}
