/** A listening port: half-open connections are counted, complete ones handed over by `notify`. */
import type { ByteStream, StreamListener } from '../../core/stream.js'
import type { Endpoint } from '../../core/types.js'
import type { Acceptor, Connection } from './connection.js'

export class Listener implements StreamListener, Acceptor {
  readonly port: number
  readonly family: 4 | 6 | undefined
  readonly #backlog: number
  readonly #ownAddress: (family: 4 | 6) => string | undefined
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
    ownAddress: (family: 4 | 6) => string | undefined,
    onClose: (listener: Listener) => void,
    onSettled: () => void,
  ) {
    this.port = port
    this.family = family
    this.#backlog = backlog
    this.#ownAddress = ownAddress
    this.#onClose = onClose
    this.#onSettled = onSettled
  }

  /** Where the others find it: BIND's client (RFC 1928) tells them this address. */
  get local(): Endpoint {
    const { family, port } = this
    const own = this.#ownAddress(family ?? 4) ?? (family === undefined && this.#ownAddress(6))
    return { address: own || (family === 4 ? '0.0.0.0' : '::'), port }
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
