/** A listening port: half-open connections are counted, complete ones handed over by `notify`. */
import type { ByteStream, StreamListener } from '../../core/stream.js'
import type { Endpoint } from '../../core/types.js'
import type { Acceptor, Connection } from './connection.js'

export class Listener implements StreamListener, Acceptor {
  readonly port: number
  readonly family: 4 | 6 | undefined
  readonly #backlog: number
  readonly #onClose: (listener: Listener) => void
  readonly #onSettled: () => void
  /** Not yet handed over. */
  readonly #pending = new Set<Connection>()
  #closed = false
  onConnection: (stream: ByteStream) => void = (stream) => stream.abort()

  constructor(
    port: number,
    family: 4 | 6 | undefined,
    backlog: number,
    onClose: (listener: Listener) => void,
    onSettled: () => void,
  ) {
    this.port = port
    this.family = family
    this.#backlog = backlog
    this.#onClose = onClose
    this.#onSettled = onSettled
  }

  get local(): Endpoint {
    return { address: this.family === 4 ? '0.0.0.0' : '::', port: this.port }
  }

  get full(): boolean {
    return this.#pending.size >= this.#backlog
  }

  /**
   * Gives up the half-open connection that is open for longest, so that a flood of SYNs from nowhere
   * can't keep a port shut: who answers sooner than the flood comes round gets in. False: there is none.
   */
  evict(): boolean {
    const oldest = this.#pending.values().next().value
    if (oldest?.state !== 'SYN-RECEIVED') return false
    oldest.abandon()
    return true
  }

  accepts(addressLength: number): boolean {
    return this.family === undefined || (this.family === 4) === (addressLength === 4)
  }

  begun(c: Connection): void {
    this.#pending.add(c)
  }

  deliver(c: Connection): void {
    this.lost(c)
    c.acceptor = undefined
    this.onConnection(c)
  }

  lost(c: Connection): void {
    if (this.#pending.delete(c)) this.#onSettled()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#onClose(this)
    for (const c of [...this.#pending]) c.abort()
  }
}
