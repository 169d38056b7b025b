/**
 * What a load on one environment does to the others' latency in it: a byte there and back on an open
 * connection, and a name, a new connection and a byte. Whole processes on loopback: the environment's is on
 * core 0, all else (far side, load, probes) on the others. `busy` is its part of its core; `waits` the part
 * of the time that it stood in line for one, which something else beside the bench would be the cause of.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { FAR_ADDRESS, startFarGateway } from '../../test/support/far-network.js'
import { type FloodKind, startFlood } from '../../test/support/flood.js'
import { roundTrip, socksConnect } from '../../test/support/socks-connect.js'
import type { Report } from './cases.js'

/** Milliseconds for a load to get going, and between two probes. */
const WARM = 1500
const PAUSE = 15
/** Probes of the open connection for each of a new one. */
const OLD_PER_NEW = 4

/** Asked before anything is pinned: afterwards it is told of the cores that are left to this process. */
const CORES = availableParallelism()

const LOADS: readonly (readonly [FloodKind, number])[] = [
  ['down', 1],
  ['down', 64],
  ['up', 1],
  ['up', 64],
  ['udp-out', 50],
  ['udp-in', 64],
]

/** For each load so many seconds of probes. */
export async function latency(seconds: number): Promise<Report> {
  pin(process.pid, `1-${CORES - 1}`)
  const gateway = await startFarGateway(1)
  try {
    const [environment] = gateway.environments
    if (environment === undefined) throw new Error('no environment')
    const { port, pid } = environment
    pin(pid, '0')
    await probe(port, pid, 1)
    const report: Record<string, number> = {}
    const alone = await probe(port, pid, seconds)
    note(report, 'alone', alone, alone)
    for (const [kind, count] of LOADS) {
      const flood = await startFlood(port, kind, count)
      try {
        await sleep(WARM)
        const before = sum(await flood.totals())
        const began = performance.now()
        const found = await probe(port, pid, seconds)
        const rate = (sum(await flood.totals()) - before) / (performance.now() - began)
        const name = `beside ${kind} ${count}`
        if (kind.startsWith('udp')) report[`${name}, datagrams/s`] = Math.round(rate * 1000)
        else report[`${name}, Gbit/s`] = (rate * 8) / 1e6
        note(report, name, found, alone)
      } finally {
        await flood.stop()
      }
      await sleep(WARM)
    }
    return report
  } finally {
    await gateway.stop()
  }
}

interface Found {
  readonly open: number[]
  readonly fresh: number[]
  /** Parts of the time in which the environment's process ran, and in which it was ready to and did not. */
  readonly busy: number
  readonly waits: number
}

function note(report: Record<string, number>, name: string, found: Found, alone: Found): void {
  report[`${name}: open, p50 ms`] = quantile(found.open, 0.5)
  report[`${name}: open, p99 ms`] = quantile(found.open, 0.99)
  report[`${name}: open, times alone`] = quantile(found.open, 0.5) / quantile(alone.open, 0.5)
  report[`${name}: new by name, p50 ms`] = quantile(found.fresh, 0.5)
  report[`${name}: new, times alone`] = quantile(found.fresh, 0.5) / quantile(alone.fresh, 0.5)
  report[`${name}: busy`] = found.busy
  report[`${name}: waits`] = found.waits
}

async function probe(port: number, pid: number, seconds: number): Promise<Found> {
  const open: number[] = []
  const fresh: number[] = []
  const socket = await socksConnect(port, FAR_ADDRESS, 7)
  const began = performance.now()
  const before = schedule(pid)
  for (let i = 0; performance.now() - began < seconds * 1000; i++) {
    await sleep(PAUSE)
    if (i % (OLD_PER_NEW + 1) < OLD_PER_NEW) {
      open.push(await roundTrip(socket, Buffer.from('is anybody there?')))
      continue
    }
    const start = performance.now()
    const name = `n${i}-${Math.round(start)}.inside.example`
    const another = await socksConnect(port, name, 7)
    await roundTrip(another, Buffer.from('is anybody there?'))
    fresh.push(performance.now() - start)
    another.destroy()
  }
  const passed = performance.now() - began
  const after = schedule(pid)
  socket.destroy()
  const busy = (after.ran - before.ran) / passed
  const waits = (after.waited - before.waited) / passed
  return { open, fresh, busy, waits }
}

/** Milliseconds that the process's main thread has run, and has stood in line for a core. */
function schedule(pid: number) {
  const [ran = 0, waited = 0] = readFileSync(`/proc/${pid}/schedstat`, 'utf8')
    .split(' ')
    .map(Number)
  return { ran: ran / 1e6, waited: waited / 1e6 }
}

/** Moves all threads of the process to these cores; where that can't be, they stay. */
function pin(pid: number, cores: string): void {
  if (CORES > 1) spawnSync('taskset', ['-acp', cores, String(pid)])
}

function quantile(values: number[], q: number): number {
  values.sort((a, b) => a - b)
  return values[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
