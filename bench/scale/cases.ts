/**
 * What a gateway costs that has little or nothing to do: starting, 50 idle environments, 10,000 idle
 * connections. Whole processes on loopback (test/support/far-network.ts): no root, no namespaces.
 */
import type { Socket } from 'node:net'
import { FAR_ADDRESS, type FarGateway, startFarGateway } from '../../test/support/far-network.js'
import { roundTrip, socksConnect } from '../../test/support/socks-connect.js'
import { type ProcessFigures, processFigures } from './process.js'

/** Milliseconds for the processes to notice that they are idle and give memory back. */
const SETTLE = 25_000
/** Connections opened at once. */
const AT_ONCE = 64
const PROBES = 200

export type Report = Readonly<Record<string, number>>

/** CPU until up, of the environment's process and of the gateway's, medians of `runs`. */
export async function start(runs: number): Promise<Report> {
  const environment: number[] = []
  const gateway: number[] = []
  for (let run = 0; run < runs; run++) {
    const { pid, environments, stop } = await startFarGateway(1)
    environment.push(figuresOf(environments)[0]?.cpu ?? 0)
    gateway.push(processFigures(pid).cpu)
    await stop()
  }
  return { 'environment, CPU ms': median(environment), 'gateway, CPU ms': median(gateway) }
}

/** So many environments, up and idle, over so many seconds. */
export async function idleEnvironments(count: number, seconds: number): Promise<Report> {
  const gateway = await startFarGateway(count)
  try {
    await sleep(SETTLE)
    const before = figuresOf(gateway.environments)
    const gatewayBefore = processFigures(gateway.pid)
    await sleep(seconds * 1000)
    const after = figuresOf(gateway.environments)
    const gatewayAfter = processFigures(gateway.pid)
    const each = (figure: 'cpu' | 'wakes') =>
      after.map((f, i) => (f[figure] - (before[i]?.[figure] ?? 0)) / seconds)
    return {
      environments: count,
      'CPU ms per second, all': sum(each('cpu')) + (gatewayAfter.cpu - gatewayBefore.cpu) / seconds,
      'CPU ms per second, one': median(each('cpu')),
      'wake-ups per second, one': median(each('wakes')),
      'USS MB, one': median(after.map((f) => f.uss)),
      'USS MB, largest': Math.max(...after.map((f) => f.uss)),
      'USS MB, gateway': gatewayAfter.uss,
      'PSS MB, all': sum(after.map((f) => f.pss)) + gatewayAfter.pss,
    }
  } finally {
    await gateway.stop()
  }
}

/** So many connections through one environment, without a byte, and new ones beside them. */
export async function idleConnections(count: number): Promise<Report> {
  const gateway = await startFarGateway(1)
  const [environment] = gateway.environments
  const sockets: Socket[] = []
  try {
    if (environment === undefined) throw new Error('no environment')
    const { port, pid } = environment
    await newConnections(port)
    await sleep(SETTLE)
    const alone = await newConnections(port)
    const before = processFigures(pid)
    while (sockets.length < count) {
      const wanted = Math.min(AT_ONCE, count - sockets.length)
      sockets.push(
        ...(await Promise.all(
          Array.from({ length: wanted }, () => socksConnect(port, FAR_ADDRESS, 7)),
        )),
      )
    }
    const opened = processFigures(pid)
    const beside = await newConnections(port)
    await sleep(SETTLE)
    const settled = processFigures(pid)
    await sleep(10_000)
    const later = processFigures(pid)
    const alive = await roundTrip(sockets[count >> 1] as Socket, Buffer.from('alive?'))
    return {
      connections: count,
      'KB each, at once': ((opened.uss - before.uss) * 1000) / count,
      'KB each, later': ((settled.uss - before.uss) * 1000) / count,
      'USS MB': settled.uss,
      'idle CPU ms per second': (later.cpu - settled.cpu) / 10,
      'new connection ms, alone': alone,
      'new connection ms, beside': beside,
      'a byte through an old one, ms': alive,
    }
  } finally {
    for (const socket of sockets) socket.destroy()
    await gateway.stop()
  }
}

/** Median of connecting and a byte there and back. */
async function newConnections(port: number): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < PROBES; i++) {
    const began = performance.now()
    const socket = await socksConnect(port, FAR_ADDRESS, 7)
    await roundTrip(socket, Buffer.from('x'))
    times.push(performance.now() - began)
    socket.destroy()
  }
  return median(times)
}

function figuresOf(environments: FarGateway['environments']): ProcessFigures[] {
  return environments.map(({ pid }) => processFigures(pid))
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
