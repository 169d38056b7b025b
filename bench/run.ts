/**
 * npm run bench: pvpn against Debian's wireguard-go, in namespaces of its own (needs root and
 * test/lab/install). Prints one table and writes build/bench.json: medians of RUNS runs with their
 * spread. Gateway on core 0, far side and load on the other cores.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually, labSkip } from '../test/support/namespace.js'
import { cpuSeconds, pssMegabytes } from './lab/process-tree.js'
import { BenchLab, TARGET } from './lab/topology.js'

const RUNS = Number(process.env.BENCH_RUNS ?? 5)
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4)
const PROXY_PORT = 1081
const PVPN = fileURLToPath(new URL('../../bin/pvpn', import.meta.url))

interface LoadResult {
  readonly seconds: number
  readonly bytes: number
  readonly count: number
  readonly failed: number
  readonly p50: number
  readonly p99: number
}

const CASES = [
  { name: 'down, 1 stream', mode: 'down', streams: 1 },
  { name: 'down, 8 streams', mode: 'down', streams: 8 },
  { name: 'up, 1 stream', mode: 'up', streams: 1 },
  { name: 'up, 8 streams', mode: 'up', streams: 8 },
  { name: 'new connections, 64 at a time', mode: 'connect', streams: 64 },
  { name: 'first byte', mode: 'latency', streams: 1 },
] as const

type Figures = Record<string, number>

async function measure(
  lab: BenchLab,
  root: number,
  mode: string,
  streams: number,
): Promise<Figures> {
  const before = cpuSeconds(root)
  let peak = 0
  const sampler = setInterval(() => {
    peak = Math.max(peak, pssMegabytes(root))
  }, 500)
  const far = cpus().length > 1 ? ['taskset', '-c', `1-${cpus().length - 1}`] : []
  const out = await lab.client
    .check(
      [
        ...far,
        lab.program('load'),
        mode,
        String(PROXY_PORT),
        TARGET,
        '80',
        String(streams),
        String(SECONDS),
      ],
      { timeout: (SECONDS + 20) * 1000 },
    )
    .finally(() => clearInterval(sampler))
  const r = JSON.parse(out) as LoadResult
  const cpu = cpuSeconds(root) - before
  const common = { cpuShare: cpu / r.seconds, pssMB: Math.max(peak, pssMegabytes(root)) }
  if (mode === 'connect') {
    return {
      perSecond: r.count / r.seconds,
      failed: r.failed,
      cpuMsEach: (cpu / r.count) * 1e3,
      ...common,
    }
  }
  if (mode === 'latency') return { p50ms: r.p50, p99ms: r.p99, ...common }
  return { gbit: (r.bytes * 8) / r.seconds / 1e9, cpuPerGB: cpu / (r.bytes / 1e9), ...common }
}

async function startGateway(lab: BenchLab): Promise<ChildProcess> {
  const config = join(lab.folder, 'pvpn.yaml')
  writeFileSync(
    config,
    `version: 1\ncontrol: { listen: none }\nenvironments:\n  far: { tunnel: { type: wireguard, file: far.conf }, listen: 127.0.0.1:${PROXY_PORT} }\n`,
    { mode: 0o600 },
  )
  const env = { ...process.env, PVPN_RUNTIME_DIR: join(lab.folder, 'run') }
  const gateway = lab.client.spawn(
    ['taskset', '-c', '0', process.execPath, PVPN, 'up', '-c', config],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env,
    },
  )
  const up = await eventually(
    async () =>
      (await lab.client.run([process.execPath, PVPN, 'status', '--wait', '10'], { env })).code ===
      0,
    15_000,
  )
  if (!up) throw new Error('the gateway does not come up')
  return gateway
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

async function main(): Promise<void> {
  const reason = labSkip('wireguard-go', 'wg', 'cc', 'taskset')
  if (reason !== false) throw new Error(`the benchmark can't run here: ${reason}`)
  const lab = await BenchLab.create()
  try {
    const gateway = await startGateway(lab)
    const root = gateway.pid as number
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const idle = { pssMB: pssMegabytes(root) }
    console.log(`idle: ${idle.pssMB.toFixed(1)} MB PSS (gateway and one environment)`)
    const results: Record<string, Figures[]> = {}
    for (let run = 0; run < RUNS; run++) {
      for (const c of CASES) {
        const figures = await measure(lab, root, c.mode, c.streams)
        results[c.name] = [...(results[c.name] ?? []), figures]
        process.stderr.write(`run ${run + 1}/${RUNS} ${c.name}: ${JSON.stringify(figures)}\n`)
      }
    }
    report(results)
    mkdirSync('build', { recursive: true })
    writeFileSync(
      'build/bench.json',
      `${JSON.stringify({ node: process.version, idle, results }, null, 2)}\n`,
    )
  } finally {
    await lab.destroy()
  }
}

function report(results: Readonly<Record<string, readonly Figures[]>>): void {
  for (const [name, runs] of Object.entries(results)) {
    const columns = Object.keys(runs[0] ?? {}).map((key) => {
      const values = runs.map((r) => r[key] as number)
      const [low, high] = [Math.min(...values), Math.max(...values)]
      return `${key} ${median(values).toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`
    })
    console.log(`${name.padEnd(30)} ${columns.join('   ')}`)
  }
}

await main()
