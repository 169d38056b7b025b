/** A load on one environment, by a process of its own (flood-process.ts), and probes beside it. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROCESS = fileURLToPath(new URL('flood-process.js', import.meta.url))

export type FloodKind = 'down' | 'up' | 'udp-out' | 'udp-in'

export interface Flood {
  /** Bytes of each connection so far; of UDP, datagrams. */
  totals(): Promise<number[]>
  stop(): Promise<void>
}

/** Resolves when the load runs. */
export async function startFlood(proxy: number, kind: FloodKind, count: number): Promise<Flood> {
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = fork(PROCESS, [String(proxy), kind, String(count)], {
    env,
    stdio: ['ignore', 2, 2, 'ipc'],
  })
  await once(child, 'message')
  return {
    async totals() {
      child.send('totals')
      const [totals] = (await once(child, 'message')) as [number[]]
      return totals
    },
    async stop() {
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    },
  }
}
