/** A ByteStream over a connected socket of the host, or over any Duplex. */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { PvpnError } from '../core/errors.js'
import { plainAddress } from '../core/listen-address.js'
import { type ByteStream, unattended } from '../core/stream.js'
import type { Bytes, Endpoint } from '../core/types.js'
import { resetSocket } from './socket-reset.js'
import { fromSystemError } from './system-error.js'
import { onTrueEnd } from './true-end.js'

/** The socket must be connected and have `allowHalfOpen` set; the stream owns it from here on. */
export function socketStream(socket: Socket): ByteStream {
  const local = { address: plainAddress(socket.localAddress ?? ''), port: socket.localPort ?? 0 }
  const remote = {
    address: plainAddress(socket.remoteAddress ?? ''),
    port: socket.remotePort ?? 0,
  }
  return new SocketStream(socket, { local, remote }, (run) => onTrueEnd(socket, run))
}

/** Over what is no socket (TLS above another stream, a channel); it must allow half-open, and is the stream's from here on. */
export function duplexStream(
  duplex: Duplex,
  ends: { readonly local: Endpoint; readonly remote: Endpoint },
): ByteStream {
  return new SocketStream(duplex, ends, (run) => duplex.on('end', run))
}

class SocketStream implements ByteStream {
  readonly local: Endpoint
  readonly remote: Endpoint
  ended = false
  onReadable: () => void = ignore
  onWritable: () => void = ignore
  readonly #socket: Duplex
  #short = false
  #onClose: (error?: PvpnError) => void = unattended
  #closed = false
  /** The close was told, or is not to be told. */
  #finished = false
  #error: PvpnError | undefined

  constructor(
    socket: Duplex,
    ends: { readonly local: Endpoint; readonly remote: Endpoint },
    onEnd: (run: () => void) => void,
  ) {
    this.#socket = socket
    this.local = ends.local
    this.remote = ends.remote
    socket.on('readable', () => this.onReadable())
    onEnd(() => {
      this.ended = true
      this.onReadable()
    })
    socket.on('drain', () => {
      if (!this.#short) return
      this.#short = false
      this.onWritable()
    })
    socket.on('error', (error) => {
      this.#error ??= fromSystemError(error, 'connection')
    })
    socket.on('close', () => {
      this.#closed = true
      this.#tellClose()
    })
  }

  get onClose(): (error?: PvpnError) => void {
    return this.#onClose
  }

  set onClose(handler: (error?: PvpnError) => void) {
    this.#onClose = handler
    if (this.#closed) queueMicrotask(() => this.#tellClose())
  }

  write(bytes: Bytes): number {
    const socket = this.#socket
    if (socket.writableEnded || socket.destroyed) return 0
    if (socket.writableNeedDrain) {
      this.#short = true
      return 0
    }
    // Node queues the whole chunk; its high-water mark pushes back from the next write on.
    socket.write(bytes)
    return bytes.length
  }

  read(): Bytes | undefined {
    return this.#socket.read() ?? undefined
  }

  end(): void {
    if (!this.#socket.destroyed) this.#socket.end()
  }

  abort(): void {
    this.#finished = true
    resetSocket(this.#socket)
  }

  #tellClose(): void {
    if (this.#finished || this.#onClose === unattended) return
    this.#finished = true
    this.#onClose(this.#error)
  }
}

function ignore(): void {}
