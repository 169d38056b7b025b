/**
 * A stream of a tunnel without an IP layer, as the environment hands it out: its bytes are counted
 * and the environment can end it.
 */
import type { PvpnError } from '../core/errors.js'
import { type ByteStream, unattended } from '../core/stream.js'
import type { Bytes, Endpoint } from '../core/types.js'

export interface StreamCounts {
  bytesIn: number
  bytesOut: number
}

export class TunnelStream implements ByteStream {
  readonly #below: ByteStream
  readonly #counts: StreamCounts
  readonly #gone: (stream: TunnelStream) => void
  #onClose: (error?: PvpnError) => void = unattended
  #over: { readonly error: PvpnError | undefined } | undefined

  /** `gone` is called once when the stream is over. */
  constructor(below: ByteStream, counts: StreamCounts, gone: (stream: TunnelStream) => void) {
    this.#below = below
    this.#counts = counts
    this.#gone = gone
    below.onClose = (error) => this.#finish(error)
  }

  get local(): Endpoint {
    return this.#below.local
  }

  get remote(): Endpoint {
    return this.#below.remote
  }

  get ended(): boolean {
    return this.#below.ended
  }

  get onReadable(): () => void {
    return this.#below.onReadable
  }

  set onReadable(run: () => void) {
    this.#below.onReadable = run
  }

  get onWritable(): () => void {
    return this.#below.onWritable
  }

  set onWritable(run: () => void) {
    this.#below.onWritable = run
  }

  get onClose(): (error?: PvpnError) => void {
    return this.#onClose
  }

  set onClose(handler: (error?: PvpnError) => void) {
    this.#onClose = handler
    if (this.#over !== undefined) queueMicrotask(() => this.#tell())
  }

  write(bytes: Bytes): number {
    const taken = this.#below.write(bytes)
    this.#counts.bytesOut += taken
    return taken
  }

  read(): Bytes | undefined {
    const bytes = this.#below.read()
    if (bytes !== undefined) this.#counts.bytesIn += bytes.length
    return bytes
  }

  end(): void {
    this.#below.end()
  }

  abort(): void {
    this.#onClose = ignore
    this.#below.abort()
    this.#finish(undefined)
  }

  /** The tunnel is gone: its owner is told. */
  fail(error: PvpnError): void {
    this.#below.abort()
    this.#finish(error)
  }

  #finish(error: PvpnError | undefined): void {
    if (this.#over !== undefined) return
    this.#over = { error }
    this.#gone(this)
    this.#tell()
  }

  #tell(): void {
    const handler = this.#onClose
    if (handler === unattended || this.#over === undefined) return
    this.#onClose = ignore
    handler(this.#over.error)
  }
}

function ignore(): void {}
