/**
 * Reads the head of a connection: bytes are collected until a parser is content, and kept for what
 * follows. Goes on reading (with a bound) while a target is dialled, so that a client's going away is
 * noticed and its early bytes are not lost.
 */
import type { Socket } from 'node:net'
import { PvpnError } from '../core/errors.js'
import type { Bytes } from '../core/types.js'
import { ignore, type LeanSocket } from '../io/lean-socket.js'
import type { Parsed } from '../wire/parsed.js'
import { MAX_PIPELINED_BYTES } from './limits.js'

const NOTHING = new Uint8Array(0)

export class ClientReader {
  /** Aborted when the client has gone: reset, or closed by us. */
  readonly signal: AbortSignal
  /** The client has ended its direction. */
  ended: boolean
  readonly #socket: LeanSocket
  readonly #gone = new AbortController()
  #bytes: Bytes
  #wake: (() => void) | undefined

  constructor(socket: LeanSocket, head?: Bytes) {
    this.#socket = socket
    // Another reader may have seen it.
    this.ended = socket.ended
    this.#bytes = head ?? NOTHING
    this.signal = this.#gone.signal
    socket.onData = this.#onData
    socket.onEnd = this.#onEnd
    socket.onClose = this.#onClose
    this.#flow()
    if (socket.closed) this.#onClose()
  }

  /**
   * The next message by an incremental parser. Rejects with ERR_PROTOCOL when the parser refuses or
   * the client ends before it is content, ERR_ABORTED when the client has gone.
   */
  async parse<T>(parser: (bytes: Bytes) => Parsed<T>): Promise<T> {
    for (;;) {
      const parsed = parser(this.#bytes)
      if (parsed?.kind === 'done') {
        this.#bytes = this.#bytes.subarray(parsed.length)
        this.#flow()
        return parsed.value
      }
      if (parsed?.kind === 'invalid') throw new PvpnError('ERR_PROTOCOL', parsed.reason)
      if (this.signal.aborted) throw new PvpnError('ERR_ABORTED', 'the client has gone')
      if (this.ended)
        throw new PvpnError('ERR_PROTOCOL', 'the client ended in the middle of its request')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** The next message, where it is here as a whole; undefined: it is not, or is none. */
  parseNow<T>(parser: (bytes: Bytes) => Parsed<T>): T | undefined {
    const parsed = parser(this.#bytes)
    if (parsed?.kind !== 'done') return undefined
    this.#bytes = this.#bytes.subarray(parsed.length)
    this.#flow()
    return parsed.value
  }

  /**
   * For handing the connection's socket to another process: everything that was read and not used. What comes
   * from here on stays in the kernel.
   */
  take(): { readonly node: Socket; readonly bytes: Bytes } {
    const node = this.#socket.give()
    return { node, bytes: this.release() }
  }

  /** Stops reading and gives the unused bytes away; the socket is paused. */
  release(): Bytes {
    this.#socket.onData = ignore
    this.#socket.onEnd = ignore
    this.#socket.onClose = ignore
    this.#socket.pause()
    const bytes = this.#bytes
    this.#bytes = NOTHING
    return bytes
  }

  #flow(): void {
    if (this.#bytes.length < MAX_PIPELINED_BYTES) this.#socket.resume()
    else this.#socket.pause()
  }

  readonly #onData = (chunk: Bytes): void => {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    if (this.#bytes.length >= MAX_PIPELINED_BYTES) this.#socket.pause()
    this.#notify()
  }

  readonly #onEnd = (): void => {
    this.ended = true
    this.#notify()
  }

  readonly #onClose = (): void => {
    this.#gone.abort()
    this.#notify()
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
