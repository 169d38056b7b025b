/** Starts and ends the processes of the demo's sites. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { SitePlan } from './plan.js'
import type { FromSite } from './site-process.js'

const MODULE = fileURLToPath(new URL('site-process.js', import.meta.url))

export interface RunningSite {
  /** UDP port on 127.0.0.1 where its WireGuard answers. */
  readonly port: number
  stop(): void
}

/** Resolves when the site's tunnel listens; `onEnd` is called when it ends by itself. */
export async function startSite(
  plan: SitePlan,
  onEnd: (how: string) => void,
): Promise<RunningSite> {
  const child = fork(MODULE, [plan.name], {
    serialization: 'advanced',
    stdio: ['ignore', 2, 2, 'ipc'],
  })
  let stopping = false
  child.once('exit', (code, signal) => {
    if (!stopping) onEnd(`site "${plan.name}" ended with ${signal ?? `exit code ${code}`}`)
  })
  child.send(plan)
  const port = await ready(child)
  return {
    port,
    stop() {
      stopping = true
      if (child.connected) child.disconnect()
    },
  }
}

function ready(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('message', (message: FromSite) => resolve(message.port))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`a demo site ended at its start (${code})`)))
  })
}
