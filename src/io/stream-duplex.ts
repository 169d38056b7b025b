/** A Node stream over a ByteStream, for what insists on one: node:http, node:tls. */
import { Duplex } from 'node:stream'
import type { PvpnError } from '../core/errors.js'
import { type ByteStream, unattended } from '../core/stream.js'
import type { Bytes } from '../core/types.js'

type Callback = (error?: Error | null) => void

export class StreamDuplex extends Duplex {
  readonly stream: ByteStream
  /** Why the stream failed; also set once the data that came before was delivered. */
  failure: PvpnError | undefined
  #detached = false
  #closed = false
  #wanted = false
  #rest: Bytes | undefined
  #written: Callback | undefined

  constructor(stream: ByteStream) {
    super({ allowHalfOpen: true, decodeStrings: true })
    this.stream = stream
    stream.onReadable = () => this.#pull()
    stream.onWritable = () => this.#flush()
    stream.onClose = (error) => {
      this.#closed = true
      this.failure = error
      this.#wanted = true
      this.#pull()
      if (error !== undefined) this.destroy(asSystemError(error))
    }
  }

  /** Gives the stream back to its owner, with what was read and not used; this Duplex is dead then. */
  detach(): Bytes | undefined {
    this.#detached = true
    const unread: Buffer | null = this.read()
    this.stream.onReadable = ignore
    this.stream.onWritable = ignore
    this.stream.onClose = unattended
    this.destroy()
    return unread ?? undefined
  }

  override _read(): void {
    this.#wanted = true
    this.#pull()
  }

  override _write(chunk: Bytes, _encoding: BufferEncoding, written: Callback): void {
    this.#rest = chunk
    this.#written = written
    this.#flush()
  }

  override _final(finished: Callback): void {
    this.stream.end()
    finished()
  }

  override _destroy(error: Error | null, done: Callback): void {
    // After both ends in peace the stream still delivers what was written: Node destroys us all the same.
    const peaceful = error === null && this.readableEnded && this.writableFinished
    if (!this.#detached && !this.#closed && !peaceful) this.stream.abort()
    const written = this.#written
    this.#written = undefined
    this.#rest = undefined
    written?.(error)
    done(error)
  }

  // What node:http's client expects of a socket; the stream has its own ways for these.
  setKeepAlive(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setTimeout(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  #pull(): void {
    while (this.#wanted && !this.readableEnded && !this.#detached && !this.destroyed) {
      const bytes = this.stream.read()
      if (bytes === undefined) {
        if (this.stream.ended) {
          this.#wanted = false
          this.push(null)
        }
        return
      }
      this.#wanted = this.push(bytes)
    }
  }

  #flush(): void {
    const rest = this.#rest
    if (rest === undefined) return
    const taken = this.stream.write(rest)
    if (taken < rest.length) {
      this.#rest = rest.subarray(taken)
      return
    }
    const written = this.#written
    this.#rest = undefined
    this.#written = undefined
    written?.()
  }
}

/** node:http looks at `code` to tell a lost connection from a defect. */
function asSystemError(error: PvpnError): Error {
  return Object.assign(new Error(error.message, { cause: error }), { code: 'ECONNRESET' })
}

function ignore(): void {}
