/**
 * One TCP socket of a program: the other end of its Unix pair, and what it is connected with. The bytes
 * on the pair are the connection's and nothing else, but for what a program fills it with while a
 * connection is opened without waiting (`FILLING`), and one byte for each connection to be accepted.
 */
import { Socket } from 'node:net'
import { constants } from 'node:os'
import type { PvpnError } from '../../core/errors.js'
import type { ByteStream } from '../../core/stream.js'
import type { Bytes, Endpoint } from '../../core/types.js'
import { Relay } from '../../io/relay.js'
import { Errno, errnoOf, FILLING, PHASE, type Phase, type SocketState } from './protocol.js'

const { EALREADY, ECONNRESET, EINPROGRESS, EISCONN } = constants.errno

export interface VirtualStreamOptions {
  readonly family: 4 | 6
  /** Taken over. */
  readonly descriptor: number
  readonly dial: (to: Endpoint, signal: AbortSignal) => Promise<ByteStream>
  /** The program's end has gone, or ours was closed. */
  readonly onOver: () => void
}

export class VirtualStream {
  readonly family: 4 | 6
  local: Endpoint | undefined
  readonly options = new Map<string, Bytes>()
  /** Whatever else ends with it. */
  onRelease: () => void = () => {}
  readonly #o: VirtualStreamOptions
  readonly #socket: Socket
  readonly #abort = new AbortController()
  #phase: Phase = PHASE.fresh
  #error = 0
  #remote: Endpoint | undefined
  #relay: Relay | undefined
  #over = false

  constructor(options: VirtualStreamOptions) {
    this.#o = options
    this.family = options.family
    this.#socket = new Socket({
      fd: options.descriptor,
      allowHalfOpen: true,
      readable: true,
      writable: true,
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => this.#gone())
    this.#watch()
  }

  get phase(): Phase {
    return this.#phase
  }

  state(clear: boolean): SocketState {
    const state = {
      phase: this.#phase,
      error: this.#error,
      local: this.local,
      remote: this.#remote,
    }
    if (clear) this.#error = 0
    return state
  }

  /** Resolves when it is connected; with `filled` it is told at once that this goes on (EINPROGRESS). */
  async connect(to: Endpoint, filled: boolean): Promise<void> {
    if (this.#phase === PHASE.connecting) throw new Errno(EALREADY)
    if (this.#phase !== PHASE.fresh) throw new Errno(EISCONN)
    this.#phase = PHASE.connecting
    this.#remote = to
    this.#socket.removeAllListeners('end')
    this.#socket.removeAllListeners('data')
    this.#socket.pause()
    const done = this.#open(to, filled)
    if (!filled) {
      await done
      return
    }
    done.catch(() => {})
    throw new Errno(EINPROGRESS)
  }

  /** Joins it with a connection that came from elsewhere. */
  attach(stream: ByteStream): void {
    this.#socket.removeAllListeners('end')
    this.#socket.removeAllListeners('data')
    this.#socket.pause()
    this.#connected(stream, undefined)
  }

  listening(local: Endpoint): void {
    this.#phase = PHASE.listening
    this.local = local
  }

  /** A connection waits on this listener. */
  announce(): void {
    this.#socket.write(new Uint8Array(1))
  }

  close(): void {
    if (this.#relay === undefined) this.#socket.destroy()
    else this.#relay.abort()
  }

  async #open(to: Endpoint, filled: boolean): Promise<void> {
    let stream: ByteStream
    try {
      stream = await this.#o.dial(to, this.#abort.signal)
    } catch (thrown) {
      if (this.#over) return
      const errno = errnoOf(thrown)
      this.#remote = undefined
      if (filled) {
        // Told by the end of the pair: that wakes who waits for it to be writable.
        this.#phase = PHASE.over
        this.#error = errno
        this.#socket.destroy()
        return
      }
      this.#phase = PHASE.fresh
      this.#watch()
      throw new Errno(errno)
    }
    if (this.#over) {
      stream.abort()
      return
    }
    if (!filled) {
      this.#connected(stream, undefined)
      return
    }
    let left = FILLING
    const empty = (chunk: Bytes) => {
      left -= chunk.length
      if (left > 0) return
      this.#socket.removeListener('data', empty)
      this.#socket.removeListener('close', cut)
      this.#socket.pause()
      this.#connected(stream, left < 0 ? chunk.subarray(chunk.length + left) : undefined)
    }
    const cut = () => stream.abort()
    this.#socket.on('data', empty)
    this.#socket.on('close', cut)
    this.#socket.resume()
  }

  #connected(stream: ByteStream, head: Bytes | undefined): void {
    this.#phase = PHASE.connected
    this.local = stream.local
    // What was asked for stays the name of the far end where the tunnel knows none.
    if (stream.remote.address !== '') this.#remote = stream.remote
    this.#relay = new Relay(this.#socket, stream, {
      head,
      onDone: (error) => this.#ended(error),
    })
  }

  #ended(error: PvpnError | undefined): void {
    this.#phase = PHASE.over
    if (error !== undefined) this.#error = errnoOf(error)
    else if (this.#error === 0 && !this.#socket.readableEnded) this.#error = ECONNRESET
  }

  /** Until it is connected nothing is to be read: only its end is of interest. */
  #watch(): void {
    this.#socket.on('data', () => {})
    this.#socket.on('end', () => this.#socket.destroy())
    this.#socket.resume()
  }

  #gone(): void {
    if (this.#over) return
    this.#over = true
    this.#abort.abort()
    this.onRelease()
    this.#o.onOver()
  }
}
