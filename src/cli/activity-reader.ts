/** An environment's open connections for a person who looks. Nothing is gathered while nobody asks. */
import type { ActiveConnection, EnvironmentActivity } from '../core/activity.js'
import type { ConnectionInfo } from '../listener/connection.js'
import { targetText } from '../listener/listener-context.js'
import { Callers } from '../policy/callers.js'
import type { Entrances } from './entrances.js'

/** Connections that one answer shows; of more, those that moved the most bytes. */
const CONNECTIONS_SHOWN = 100
/** Clients whose program is looked up for one answer; the others show theirs in the next ones. */
const LOOKUPS_MOST = 20
/** What a connection's number is multiplied by, so that those of two listeners differ. */
const LISTENERS = 1_000

type Source = Pick<Entrances, 'open' | 'connections' | 'failures'>

export class ActivityReader {
  readonly #source: Source
  readonly #callers: Pick<Callers, 'of'>
  /** Found once per connection; null: nobody was found. */
  readonly #programs = new WeakMap<ConnectionInfo, string | null>()

  constructor(source: Source, callers: Pick<Callers, 'of'> = new Callers()) {
    this.#source = source
    this.#callers = callers
  }

  read(): EnvironmentActivity {
    const all = [...this.#source.open()]
    const moved = ({ connection }: (typeof all)[number]) =>
      connection.bytesFromClient + connection.bytesToClient
    const shown =
      all.length > CONNECTIONS_SHOWN
        ? all.sort((a, b) => moved(b) - moved(a)).slice(0, CONNECTIONS_SHOWN)
        : all
    let lookups = LOOKUPS_MOST
    const connections = shown.map(({ listener, connection }): ActiveConnection => {
      if (!this.#programs.has(connection) && lookups-- > 0) {
        this.#programs.set(connection, this.#callers.of(connection.socket).program ?? null)
      }
      const { id, user, protocol, target, since, bytesFromClient, bytesToClient } = connection
      return {
        id: id * LISTENERS + listener,
        program: this.#programs.get(connection) ?? null,
        user: user ?? null,
        protocol: protocol ?? null,
        target: target === undefined ? null : targetText(target),
        age: Math.round((performance.now() - since) / 1000),
        bytesOut: bytesFromClient,
        bytesIn: bytesToClient,
      }
    })
    connections.sort((a, b) => b.age - a.age || a.id - b.id)
    return { connections, total: this.#source.connections, failures: this.#source.failures }
  }
}
