/**
 * One TCP socket of a program: the other end of its Unix pair, and what it is connected with. The bytes
 * on the pair are the connection's and nothing else, but for what a program fills it with while a
 * connection is opened without waiting (`FILLING`), and one byte for each connection to be accepted.
 */
import { Socket } from 'node:net'
import { constants } from 'node:os'
import { type PvpnError, toPvpnError } from '../../core/errors.js'
import type { ByteStream } from '../../core/stream.js'
import type { Bytes, Endpoint } from '../../core/types.js'
import { HeldDescriptor } from '../../io/held-descriptor.js'
import { HostSocket } from '../../io/host-socket.js'
import { Relay } from '../../io/relay.js'
import { Errno, errnoOf, FILLING, PHASE, type Phase, type SocketState } from './protocol.js'

const { EALREADY, ECONNABORTED, EINPROGRESS, EISCONN } = constants.errno

export interface VirtualStreamOptions {
  readonly family: 4 | 6
  /** Taken over, also when the constructor throws. */
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
  /** Until there is something to be read from it or written to it. */
  readonly #held: HeldDescriptor
  readonly #abort = new AbortController()
  #phase: Phase = PHASE.fresh
  #error = 0
  #remote: Endpoint | undefined
  #socket: Socket | undefined
  #relay: Relay | undefined
  #over = false

  constructor(options: VirtualStreamOptions) {
    this.#o = options
    this.family = options.family
    this.#held = new HeldDescriptor(options.descriptor)
    this.#held.onEvent = () => this.#finish()
  }

  /** Forgets the error when asked to. */
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
    this.#held.unwatch()
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
    const socket = this.#take()
    if (socket === undefined) stream.abort()
    else this.#connected(socket, stream, undefined)
  }

  listening(local: Endpoint): void {
    this.#phase = PHASE.listening
    this.local = local
  }

  /** A connection waits on this listener. */
  announce(): void {
    this.#held.send(new Uint8Array(1))
  }

  close(): void {
    if (this.#relay !== undefined) this.#relay.abort()
    else if (this.#socket !== undefined) this.#socket.destroy()
    else this.#finish()
  }

  async #open(to: Endpoint, filled: boolean): Promise<void> {
    let stream: ByteStream
    try {
      stream = await this.#o.dial(to, this.#abort.signal)
    } catch (thrown) {
      this.#failed(errnoOf(thrown), filled)
      return
    }
    const socket = this.#take()
    if (socket === undefined) {
      stream.abort()
      throw new Errno(ECONNABORTED)
    }
    if (filled) this.#empty(socket, stream)
    else this.#connected(socket, stream, undefined)
  }

  #failed(errno: number, filled: boolean): void {
    if (this.#over) throw new Errno(errno)
    if (filled) {
      // Told by the end of the pair: that wakes who waits for it to be writable.
      this.#error = errno
      this.#finish()
      return
    }
    this.#remote = undefined
    this.#phase = PHASE.fresh
    this.#held.watch()
    throw new Errno(errno)
  }

  /** Takes what kept the program from writing: it sees then that it is connected. */
  #empty(socket: Socket, stream: ByteStream): void {
    let left = FILLING
    const cut = () => stream.abort()
    const take = (chunk: Bytes) => {
      left -= chunk.length
      if (left > 0) return
      socket.removeListener('data', take)
      socket.removeListener('close', cut)
      socket.removeListener('end', end)
      socket.pause()
      this.#connected(socket, stream, left < 0 ? chunk.subarray(chunk.length + left) : undefined)
    }
    const end = () => socket.destroy()
    // The state must be right before the first byte is taken.
    this.#told(stream)
    socket.on('data', take)
    socket.on('end', end)
    socket.on('close', cut)
    socket.resume()
  }

  /** The pair as a socket of Node's, which does not read before it is told to. */
  #take(): Socket | undefined {
    const fd = this.#over ? undefined : this.#held.release()
    if (fd === undefined) return undefined
    const options = { fd, allowHalfOpen: true, readable: true, writable: true, manualStart: true }
    const socket = new Socket(options)
    socket.on('error', () => {})
    socket.on('close', () => this.#finish())
    this.#socket = socket
    return socket
  }

  #told(stream: ByteStream): void {
    this.#phase = PHASE.connected
    this.local = stream.local
    // What was asked for stays the name of the far end where the tunnel knows none.
    if (stream.remote.address !== '') this.#remote = stream.remote
  }

  #connected(socket: Socket, stream: ByteStream, head: Bytes | undefined): void {
    this.#told(stream)
    this.#relay = new Relay(new HostSocket(socket), stream, {
      head,
      onDone: (error) => this.#ended(error),
    })
  }

  #ended(error: PvpnError | undefined): void {
    if (error !== undefined) this.#error = errnoOf(toPvpnError(error))
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#phase = PHASE.over
    this.#abort.abort()
    this.#held.close()
    this.onRelease()
    this.#o.onOver()
  }
}
