/**
 * Joins a program's socket and a stream inside an environment, byte for byte: half-close and reset
 * pass through both ways, and a side that does not read holds the other back. This is the fast path
 * of the listeners: one write per wake-up, and the memory of each chunk is used again.
 */
import type { PvpnError } from '../core/errors.js'
import type { ByteStream } from '../core/stream.js'
import type { Bytes } from '../core/types.js'
import type { LeanSocket } from './lean-socket.js'
import { rawMemory } from './raw-memory.js'

export interface RelayOptions {
  /** Bytes that were read from the socket before; they go first. */
  readonly head?: Bytes | undefined
  /** The socket's `end` has been seen already. */
  readonly ended?: boolean
  /** Called once when both sides are done; `error` is why the stream failed. */
  readonly onDone?: (error?: PvpnError) => void
}

export class Relay {
  /** Bytes that the stream has taken from the socket. */
  bytesUp = 0
  /** Bytes that the socket has taken from the stream. */
  bytesDown = 0
  readonly #socket: LeanSocket
  readonly #stream: ByteStream
  readonly #onDone: ((error?: PvpnError) => void) | undefined
  /** What the stream has not taken yet; the socket is paused while there is something. */
  #waiting: Bytes | undefined
  /** What the socket has not sent all of yet. */
  #stuck: Bytes | undefined
  #socketEnded: boolean
  #socketClosed = false
  #streamEnded = false
  #streamClosed = false
  #blocked = false
  #done = false

  /** Relay, socket and stream own each other from here on. */
  constructor(socket: LeanSocket, stream: ByteStream, options: RelayOptions = {}) {
    this.#socket = socket
    this.#stream = stream
    this.#onDone = options.onDone
    this.#socketEnded = false
    stream.onReadable = () => this.#down()
    stream.onWritable = () => this.#up(undefined)
    stream.onClose = (error) => this.#closed(error)
    if (options.head !== undefined && options.head.length > 0) this.#up(options.head)
    if (options.ended === true) this.#endUp()
    if (socket.closed) {
      this.abort()
      return
    }
    socket.onData = (chunk) => {
      rawMemory.lend(chunk)
      this.#up(chunk)
    }
    socket.onEnd = () => this.#endUp()
    socket.onDrain = () => {
      this.#blocked = false
      if (this.#stuck !== undefined) rawMemory.free(this.#stuck)
      this.#stuck = undefined
      this.#down()
    }
    socket.onClose = (failed) => this.#socketGone(failed)
    if (this.#waiting === undefined) socket.resume()
    else socket.pause()
    this.#down()
  }

  /** Resets both sides. */
  abort(): void {
    this.#stream.abort()
    this.#socket.reset()
    this.#finish()
  }

  #up(chunk: Bytes | undefined): void {
    const bytes = this.#waiting ?? chunk
    if (bytes === undefined) return
    const taken = this.#stream.write(bytes)
    this.bytesUp += taken
    if (taken < bytes.length) {
      if (this.#waiting === undefined) this.#socket.pause()
      this.#waiting = bytes.subarray(taken)
      return
    }
    if (this.#waiting === undefined) return
    this.#waiting = undefined
    if (this.#socketEnded) this.#stream.end()
    else this.#socket.resume()
  }

  #endUp(): void {
    if (this.#socketEnded) return
    this.#socketEnded = true
    if (this.#waiting === undefined) this.#stream.end()
  }

  #down(): void {
    if (this.#blocked || this.#socketClosed) return
    const bytes = this.#stream.read()
    if (bytes !== undefined) {
      this.bytesDown += bytes.length
      this.#blocked = !this.#socket.write(bytes)
      if (this.#blocked) this.#stuck = bytes
      else rawMemory.free(bytes)
    }
    if (this.#stream.ended && !this.#streamEnded) {
      this.#streamEnded = true
      this.#socket.end()
    }
  }

  #closed(error: PvpnError | undefined): void {
    this.#streamClosed = true
    // What came before the end still belongs to the program.
    this.#blocked = false
    this.#down()
    if (error !== undefined || !this.#streamEnded) {
      this.#socket.reset()
      this.#finish(error)
    } else if (this.#socketClosed) {
      this.#finish()
    }
  }

  #socketGone(failed: boolean): void {
    this.#socketClosed = true
    if (this.#streamClosed) {
      this.#finish()
    } else if (failed || !this.#socketEnded || !this.#streamEnded) {
      this.#stream.abort()
      this.#finish()
    }
    // Else both ends were seen, and the stream still has to deliver what it took.
  }

  #finish(error?: PvpnError): void {
    if (this.#done) return
    this.#done = true
    this.#onDone?.(error)
  }
}
