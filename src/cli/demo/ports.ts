/** Ports of the demo: the usual ones, or the next free ones where somebody has them. */
import { createServer } from 'node:net'

/** Ports looked at from the wanted one on. */
const TRIES = 200

/** The first free TCP port of 127.0.0.1 from `wanted` on, leaving out `taken`. */
export async function freePort(wanted: number, taken: ReadonlySet<number>): Promise<number> {
  for (let port = wanted; port < wanted + TRIES && port < 65536; port++) {
    if (!taken.has(port) && (await isFree(port))) return port
  }
  throw new Error(`no free port from ${wanted} on`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () =>
      probe.close(() => resolve(true)),
    )
  })
}
