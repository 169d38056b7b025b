/**
 * Holds the proxy ports of one environment while its process does not: so that a client never meets
 * a dead port, nor another program that took it meanwhile.
 */
import { lstat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { formatListenAddress } from '../core/listen-address.js'
import type { ListenAddress } from '../core/options.js'
import { bindProblem } from './bind-problem.js'
import { PORT_PATIENCE, PORT_RETRY, STANDBY_CLIENTS } from './limits.js'

export class StandbyPorts {
  /** A client; unread, paused, half-open allowed. */
  onClient: (socket: Socket, listener: string) => void = () => {}
  readonly #servers = new Map<string, Server>()
  /** Grows whenever the wish changes, so that an older `hold` under way notices. */
  #turn = 0

  /**
   * Listens on exactly these addresses, letting go of others. A port that is still owned is tried
   * again for PORT_PATIENCE. Resolves with what could not be had, in words; never rejects.
   */
  async hold(addresses: readonly ListenAddress[]): Promise<readonly string[]> {
    const turn = ++this.#turn
    const wanted = new Map(addresses.map((address) => [formatListenAddress(address), address]))
    for (const name of [...this.#servers.keys()]) if (!wanted.has(name)) this.#close(name)
    const problems = await Promise.all(
      [...wanted]
        .filter(([name]) => !this.#servers.has(name))
        .map(([name, address]) => this.#take(turn, name, address)),
    )
    return problems.filter((problem) => problem !== undefined)
  }

  /** Lets go of every port, at once: when this returns another process can bind them. */
  release(): void {
    this.#turn++
    for (const name of [...this.#servers.keys()]) this.#close(name)
  }

  async #take(turn: number, name: string, address: ListenAddress): Promise<string | undefined> {
    const until = performance.now() + PORT_PATIENCE
    for (;;) {
      const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
      server.maxConnections = STANDBY_CLIENTS
      server.on('connection', (socket) => this.onClient(socket, name))
      const error = await listening(server, address)
      if (turn !== this.#turn) {
        server.close()
        return undefined
      }
      if (error === undefined) {
        // A failing accept (no descriptors left) is not the end: libuv goes on when it can.
        server.on('error', () => {})
        this.#servers.set(name, server)
        return undefined
      }
      if (error.code !== 'EADDRINUSE') return bindProblem(address, error)
      if (address.kind === 'unix' && (await removeStaleSocket(address.path))) continue
      if (performance.now() > until) return bindProblem(address, error)
      await new Promise((resolve) => setTimeout(resolve, PORT_RETRY))
      if (turn !== this.#turn) return undefined
    }
  }

  #close(name: string): void {
    this.#servers.get(name)?.close()
    this.#servers.delete(name)
  }
}

function listening(
  server: Server,
  address: ListenAddress,
): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    server.once('error', resolve)
    const done = () => {
      server.removeListener('error', resolve)
      resolve(undefined)
    }
    if (address.kind === 'unix') server.listen({ path: address.path }, done)
    else server.listen({ host: address.address, port: address.port }, done)
  })
}

/** Removes a socket file that nobody listens on. True: removed, try again. */
async function removeStaleSocket(path: string): Promise<boolean> {
  const stale = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(false)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  })
  if (!stale) return false
  try {
    const found = await lstat(path)
    if (!found.isSocket() || found.uid !== process.getuid?.()) return false
    await unlink(path)
    return true
  } catch {
    return false
  }
}
