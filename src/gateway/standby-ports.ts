/**
 * Holds the proxy ports of one environment while its process does not: so that a client never meets
 * a dead port, nor another program that took it meanwhile.
 */
import type { Socket } from 'node:net'
import { type PvpnError, toPvpnError } from '../core/errors.js'
import { formatListenAddress } from '../core/listen-address.js'
import type { ListenAddress } from '../core/options.js'
import { type BoundListener, listenStream } from '../io/listen.js'
import { PORT_PATIENCE, PORT_RETRY } from './limits.js'

export class StandbyPorts {
  /** A client; unread, paused, half-open allowed. */
  onClient: (socket: Socket, listener: string) => void = () => {}
  readonly #held = new Map<string, BoundListener>()
  /** Grows whenever the wish changes, so that an older `hold` under way notices. */
  #turn = 0

  /**
   * Listens on exactly these addresses, letting go of others. A port that is still owned is tried
   * again for PORT_PATIENCE. Resolves with what could not be had, in words; never rejects.
   */
  async hold(addresses: readonly ListenAddress[]): Promise<readonly string[]> {
    const turn = ++this.#turn
    const wanted = new Map(addresses.map((address) => [formatListenAddress(address), address]))
    for (const name of [...this.#held.keys()]) if (!wanted.has(name)) this.#close(name)
    const problems = await Promise.all(
      [...wanted]
        .filter(([name]) => !this.#held.has(name))
        .map(([name, address]) => this.#take(turn, name, address)),
    )
    return problems.filter((problem) => problem !== undefined)
  }

  /** Lets go of every port, at once: when this returns another process can bind them. */
  release(): void {
    this.#turn++
    for (const name of [...this.#held.keys()]) this.#close(name)
  }

  async #take(turn: number, name: string, address: ListenAddress): Promise<string | undefined> {
    const until = performance.now() + PORT_PATIENCE
    while (turn === this.#turn) {
      try {
        const listener = await listenStream(address, (socket) => this.onClient(socket, name))
        if (turn === this.#turn) this.#held.set(name, listener)
        else listener.close()
        return undefined
      } catch (error) {
        const problem = toPvpnError(error)
        if (!taken(problem) || performance.now() > until) return problem.message
        await new Promise((resolve) => setTimeout(resolve, PORT_RETRY))
      }
    }
    return undefined
  }

  #close(name: string): void {
    this.#held.get(name)?.close()
    this.#held.delete(name)
  }
}

function taken(problem: PvpnError): boolean {
  return (problem.cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE'
}
