/** A listening port: half-open connections are counted, complete ones handed over by `notify`. */
import type { ByteStream, StreamListener } from '../../core/stream.js'
import type { Endpoint, Millis } from '../../core/types.js'
import type { Acceptor, Connection } from './connection.js'
import { HALF_OPEN_LEAST, SYN_COOKIE_LIFE } from './limits.js'

export class Listener implements StreamListener, Acceptor {
  readonly port: number
  readonly family: 4 | 6 | undefined
  readonly #backlog: number
  readonly #ownAddress: (family: 4 | 6) => string | undefined
  readonly #onClose: (listener: Listener) => void
  readonly #onSettled: () => void
  /** Not yet handed over, and since when. */
  readonly #pending = new Map<Connection, Millis>()
  /** When a SYN last found no place. */
  #overflowedAt: Millis = Number.NEGATIVE_INFINITY
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
   * Gives up the half-open connection that is open for longest, so that SYNs from nowhere can't keep a
   * port shut. False: there is none that has had HALF_OPEN_LEAST to answer (a burst of clients is no flood).
   */
  evict(now: Millis): boolean {
    const oldest = this.#pending.entries().next().value
    if (oldest === undefined) return false
    const [c, since] = oldest
    if (c.state !== 'SYN-RECEIVED' || now - since < HALF_OPEN_LEAST) return false
    c.abandon()
    return true
  }

  /** A SYN is answered by a cookie: from now on its ACK may come. */
  overflow(now: Millis): void {
    this.#overflowedAt = now
  }

  /** May cookies of ours be on their way? */
  overflowed(now: Millis): boolean {
    return now - this.#overflowedAt < SYN_COOKIE_LIFE
  }

  accepts(addressLength: number): boolean {
    return this.family === undefined || (this.family === 4) === (addressLength === 4)
  }

  begun(c: Connection, now: Millis): void {
    this.#pending.set(c, now)
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
    for (const c of [...this.#pending.keys()]) c.abort()
  }
}
