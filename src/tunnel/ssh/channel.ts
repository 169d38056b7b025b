/**
 * One channel of an SSH connection (RFC 4254 section 5) as a byte stream. Its window is credited only
 * as the program reads, so that a server can't send more than was asked for.
 */
import type { PvpnError } from '../../core/errors.js'
import { type ByteStream, unattended } from '../../core/stream.js'
import type { Bytes, Endpoint } from '../../core/types.js'

/** What a channel says to the server; `remote` is the server's number of the channel. */
export interface ChannelWire {
  /** Nothing more is to be written now; `Channels.writable` tells when. */
  readonly full: boolean
  data(remote: number, bytes: Bytes): void
  eof(remote: number): void
  close(remote: number): void
  adjust(remote: number, bytes: number): void
}

export interface ChannelEnds {
  readonly local: Endpoint
  readonly remote: Endpoint
}

export interface ChannelStart {
  /** The server's number of the channel. */
  readonly remote: number
  /** Bytes that the server takes now, and in one packet. */
  readonly window: number
  readonly packet: number
  /** Bytes that the server may send before anything is read. */
  readonly own: number
}

export class SshChannel implements ByteStream {
  readonly local: Endpoint
  readonly remote: Endpoint
  onReadable: () => void = ignore
  onWritable: () => void = ignore
  readonly #wire: ChannelWire
  /** The server's number of it. */
  readonly number: number
  readonly #packet: number
  /** Bytes that the window may have at most, as the connection is now. */
  readonly #most: () => number
  /** Asks for a call of `wake` once the input at hand is done. */
  readonly #dirty: (channel: SshChannel) => void
  #room: number
  #window: number
  #unread: Bytes[] = []
  #onClose: (error?: PvpnError) => void = unattended
  #peerEnded = false
  #ended = false
  #closeSent = false
  #short = false
  #over: { readonly error: PvpnError | undefined } | undefined
  #finished = false

  constructor(
    wire: ChannelWire,
    start: ChannelStart,
    ends: ChannelEnds,
    most: () => number,
    dirty: (channel: SshChannel) => void,
  ) {
    this.#wire = wire
    this.number = start.remote
    this.#packet = Math.max(1, start.packet)
    this.#room = start.window
    this.#window = start.own
    this.#most = most
    this.#dirty = dirty
    this.local = ends.local
    this.remote = ends.remote
  }

  get ended(): boolean {
    return this.#peerEnded && this.#unread.length === 0
  }

  get onClose(): (error?: PvpnError) => void {
    return this.#onClose
  }

  set onClose(handler: (error?: PvpnError) => void) {
    this.#onClose = handler
    if (this.#over !== undefined) queueMicrotask(() => this.#tellClose())
  }

  write(bytes: Bytes): number {
    if (this.#ended || this.#closeSent || this.#over !== undefined) return 0
    let taken = 0
    while (taken < bytes.length && this.#room > 0 && !this.#wire.full) {
      const size = Math.min(bytes.length - taken, this.#room, this.#packet)
      this.#wire.data(this.number, bytes.subarray(taken, taken + size))
      this.#room -= size
      taken += size
    }
    if (taken < bytes.length) this.#short = true
    return taken
  }

  read(): Bytes | undefined {
    const [first] = this.#unread
    if (first === undefined) return undefined
    const all = this.#unread.length === 1 ? first : joined(this.#unread)
    this.#unread = []
    this.#credit()
    return all
  }

  end(): void {
    if (this.#ended || this.#closeSent || this.#over !== undefined) return
    this.#ended = true
    this.#wire.eof(this.number)
    this.#closeWhenDone()
  }

  abort(): void {
    this.#finished = true
    this.#unread = []
    this.#sendClose()
  }

  /** False: more than the window allowed. */
  received(bytes: Bytes): boolean {
    if (bytes.length > this.#window || this.#peerEnded) return false
    this.#window -= bytes.length
    // After abort() what comes is nobody's, and the window is not credited any more.
    if (this.#finished) return true
    this.#unread.push(bytes)
    this.#dirty(this)
    return true
  }

  /** False: a window beyond 2^32 - 1 (RFC 4254 section 5.2). */
  adjusted(bytes: number): boolean {
    this.#room += bytes
    if (this.#room > 0xffff_ffff) return false
    this.#dirty(this)
    return true
  }

  peerEnded(): void {
    if (this.#peerEnded) return
    this.#peerEnded = true
    this.#dirty(this)
    this.#closeWhenDone()
  }

  /** The server has closed: answered by ours, and the channel is over. A close without an end is a reset. */
  peerClosed(reset: PvpnError): void {
    this.#sendClose()
    this.#finish(this.#peerEnded ? undefined : reset)
  }

  /** The connection is gone. */
  fail(error: PvpnError): void {
    this.#closeSent = true
    this.#finish(error)
  }

  /** Tells the owner what has changed; to be called when the input at hand is done. */
  wake(): void {
    if (this.#finished) return
    if (this.#unread.length > 0 || this.#peerEnded) this.onReadable()
    if (this.#finished || !this.#short || this.#room === 0 || this.#wire.full) return
    this.#short = false
    this.onWritable()
  }

  #credit(): void {
    if (this.#peerEnded || this.#closeSent) return
    const most = this.#most()
    if (this.#window > most / 2) return
    this.#wire.adjust(this.number, most - this.#window)
    this.#window = most
  }

  #closeWhenDone(): void {
    if (this.#ended && this.#peerEnded) this.#sendClose()
  }

  #sendClose(): void {
    if (this.#closeSent) return
    this.#closeSent = true
    this.#wire.close(this.number)
  }

  #finish(error: PvpnError | undefined): void {
    if (this.#over !== undefined) return
    this.#over = { error }
    this.#tellClose()
  }

  #tellClose(): void {
    if (this.#finished || this.#over === undefined || this.#onClose === unattended) return
    this.#finished = true
    this.#onClose(this.#over.error)
  }
}

function joined(parts: readonly Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

function ignore(): void {}
