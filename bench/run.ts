/**
 * npm run bench: pvpn beside its peers over paths of our making, in namespaces of its own (needs root,
 * test/lab/install and `test/lab/install bench/packages`). Prints one table and writes build/bench.json:
 * medians of alternating runs with their spread. A contestant is on core 0, all else on the other cores.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { labSkip } from '../test/support/namespace.js'
import { type Contestant, KINDS } from './lab/contestants.js'
import { CASES, measure } from './lab/measure.js'
import { cpuSeconds, memory } from './lab/process-tree.js'
import { BenchLab, type Path } from './lab/topology.js'
import { TUNNELS } from './lab/tunnels.js'
import { merged, type Ratios, ratios, regressions } from './ratios.js'
import { type Row, table } from './report.js'
import * as scale from './scale/cases.js'
import { latency } from './scale/latency.js'

const USAGE = `npm run bench -- start | scale | idle | latency [--environments N] [--connections N] [--seconds N] [--runs N]
  start: CPU until an environment is up; scale: N idle environments (50) over N seconds (30); idle: N idle
  connections in one environment (10000); latency: of others beside each kind of load, N seconds (6) each.
  On loopback, without root. Or, beside the peers, with root:

npm run bench -- [--runs N] [--seconds N] [--paths LIST] [--cases LIST] [--contestants LIST] [--far FAR] [--check | --store] [--at-least PART]
  --runs         runs of each case (5)
  --seconds      length of one (4)
  --paths        of: 0ms, 30ms, 30ms-1%, 100ms (all): added round trip, loss each way
  --cases        parts of the cases' names, such as down,first (all; over a path with delay those of transfers)
  --tunnel       ${Object.keys(TUNNELS).join(', ')} (wireguard): what carries it; each has its own contestants
  --contestants  of: ${KINDS.map((kind) => kind.name).join('; ')}; over another tunnel pvpn; pvpn, addon off; and its own client (all), separated by ";"
  --far          the far side: wireguard-go (Linux's TCP, one packet a call; default), or pvpn (our own stack, which sends in batches)
  --check        exit 1 when pvpn stands worse to a peer than in bench/ratios.json; --store writes that file
  --at-least     exit 1 when pvpn carries less than this part of what the kernel's TCP does in the same run and case (0.9)`
const PATHS: readonly Path[] = [
  { name: '0ms', rtt: 0, loss: 0 },
  { name: '30ms', rtt: 30, loss: 0 },
  { name: '30ms-1%', rtt: 30, loss: 1 },
  { name: '100ms', rtt: 100, loss: 0 },
]
const STORED = 'bench/ratios.json'
const FIRST_PORT = 1081
const SETTLE = 2000
/** At rest: less than this part of a core over this time, in milliseconds; not waited for longer than that. */
const AT_REST = 0.1
const REST = 300
const REST_AT_MOST = 15_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    seconds: { type: 'string' },
    environments: { type: 'string', default: '50' },
    connections: { type: 'string', default: '10000' },
    paths: { type: 'string' },
    cases: { type: 'string' },
    contestants: { type: 'string' },
    tunnel: { type: 'string', default: 'wireguard' },
    far: { type: 'string', default: 'wireguard-go' },
    check: { type: 'boolean' },
    store: { type: 'boolean' },
    'at-least': { type: 'string' },
    help: { type: 'boolean' },
  },
})

function chosen<T extends { readonly name: string }>(
  all: readonly T[],
  list?: string,
  by = ',',
): T[] {
  if (list === undefined) return [...all]
  const names = list.split(by).map((name) => name.trim())
  return all.filter((one) => names.includes(one.name))
}

async function main(): Promise<void> {
  const tunnel = TUNNELS[values.tunnel]
  if (tunnel === undefined) throw new Error(`--tunnel ${values.tunnel}?\n${USAGE}`)
  const reason = labSkip('cc', 'taskset', ...tunnel.programs)
  if (reason !== false) throw new Error(`the benchmark can't run here: ${reason}`)
  const { far } = values
  if (far !== 'wireguard-go' && far !== 'pvpn') throw new Error(`--far ${far}?\n${USAGE}`)
  if (far !== 'wireguard-go' && (values.check || values.store)) {
    throw new Error('ratios are stored of the far side wireguard-go only')
  }
  const lab = await BenchLab.create(tunnel.ownServer ? 'none' : far)
  const rows: Row[] = []
  const idle: Record<string, unknown> = {}
  try {
    const kinds = chosen(await tunnel.kinds(lab), values.contestants, ';').filter((kind) => {
      const missing = kind.missing()
      if (missing !== undefined) console.error(`without ${kind.name}: ${missing}`)
      return missing === undefined
    })
    if (kinds.some((kind) => kind.name === 'engine')) lab.compileEngine()
    let port = FIRST_PORT
    for (const path of chosen(PATHS, values.paths)) {
      const shown = tunnel.ownServer ? `${values.tunnel} ${path.name}` : path.name
      const contestants: Contestant[] = []
      for (const kind of kinds) contestants.push(await kind.start(lab, path, port++))
      await new Promise((resolve) => setTimeout(resolve, SETTLE))
      for (const one of contestants) idle[one.name] ??= memory(one.roots)
      rows.push(...(await race(lab, { ...path, name: shown }, contestants)))
      for (const one of contestants) await one.stop()
    }
  } finally {
    await lab.destroy()
  }
  console.log(table(rows))
  console.log(`\nidle, MB: ${JSON.stringify(idle)}`)
  mkdirSync('build', { recursive: true })
  writeFileSync(
    'build/bench.json',
    `${JSON.stringify({ node: process.version, tunnel: values.tunnel, far, idle, rows }, null, 2)}\n`,
  )
  const now = ratios(rows)
  compare(now)
  if (values['at-least'] !== undefined) besideKernel(now, Number(values['at-least']))
}

/** Our TCP beside Linux's over the same paths: a ratio, which stands the noise that times do not. */
function besideKernel(now: Ratios, least: number): void {
  const found = Object.entries(now).filter(([key]) => key.endsWith('gbit, kernel'))
  const less = found.filter(([, ratio]) => ratio < least)
  for (const [key, ratio] of found) console.error(`${key}: ${ratio} of the kernel's`)
  if (less.length > 0 || found.length === 0) process.exitCode = 1
}

function compare(now: Ratios): void {
  const stored: Ratios = existsSync(STORED) ? JSON.parse(readFileSync(STORED, 'utf8')) : {}
  if (values.store === true) {
    writeFileSync(STORED, `${JSON.stringify(merged(now, stored), null, 2)}\n`)
  }
  if (values.check !== true) return
  const worse = regressions(now, stored)
  for (const line of worse) console.error(`worse: ${line}`)
  const compared = Object.keys(now).filter((key) => key in stored).length
  console.error(`${compared} ratios compared with ${STORED}, ${worse.length} worse`)
  if (worse.length > 0 || compared === 0) process.exitCode = 1
}

/** All cases of one path, the contestants in turn. */
async function race(lab: BenchLab, path: Path, contestants: readonly Contestant[]): Promise<Row[]> {
  const direct = path.rtt === 0
  const wanted = values.cases?.split(',')
  const cases = CASES.filter((c) =>
    wanted === undefined
      ? direct || c.mode === 'down' || c.mode === 'up'
      : wanted.some((w) => c.name.includes(w)),
  )
  const usable = cases.filter((c) => c.mode !== 'udp' || TUNNELS[values.tunnel]?.datagrams)
  const rows = usable.flatMap((c) =>
    contestants
      .filter(
        (one) => c.mode !== 'udp' || (one.name.startsWith('pvpn') && one.wrapper === undefined),
      )
      .map((one) => ({
        one,
        c,
        row: { path: path.name, case: c.name, contestant: one.name, runs: [] } as Row,
      })),
  )
  for (let run = 1; run <= Number(values.runs); run++) {
    for (const { one, c, row } of rows) {
      await quiet(lab, contestants)
      const figures = await measure(lab, one, c, Number(values.seconds ?? 4))
      row.runs.push(figures)
      const shown = Object.entries(figures).map(([key, value]) => `${key} ${value.toFixed(2)}`)
      process.stderr.write(`${path.name} ${c.name}, ${one.name}, run ${run}: ${shown.join(' ')}\n`)
    }
  }
  return rows.map(({ row }) => row)
}

/**
 * Waits until what was measured before has worked off what it still held: a proxy goes on sending what
 * it took in, for seconds, beside whoever is next.
 */
async function quiet(lab: BenchLab, contestants: readonly Contestant[]): Promise<void> {
  const pids = [...contestants.flatMap((one) => one.roots), ...lab.farPids]
  const end = Date.now() + REST_AT_MOST
  let before = cpuSeconds(pids)
  while (Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, REST))
    const now = cpuSeconds(pids)
    if ((now - before) * 1000 < REST * AT_REST) return
    before = now
  }
  process.stderr.write('the contestants do not come to rest\n')
}

/** The cases that need no peers. */
async function alone(name: string): Promise<void> {
  const cases: Readonly<Record<string, () => Promise<scale.Report>>> = {
    start: () => scale.start(Number(values.runs)),
    scale: () => scale.idleEnvironments(Number(values.environments), Number(values.seconds ?? 30)),
    idle: () => scale.idleConnections(Number(values.connections)),
    latency: () => latency(Number(values.seconds ?? 6)),
  }
  const run = cases[name]
  if (run === undefined) throw new Error(`${name}?\n${USAGE}`)
  const report = await run()
  for (const [figure, value] of Object.entries(report)) {
    console.log(`${figure.padEnd(44)} ${value.toFixed(value < 10 ? 2 : 1)}`)
  }
  mkdirSync('build', { recursive: true })
  writeFileSync(`build/bench-${name}.json`, `${JSON.stringify(report, null, 2)}\n`)
}

const [wanted] = positionals
if (values.help === true) console.log(USAGE)
else if (wanted !== undefined) await alone(wanted)
else await main()
