/** Two streams joined within the process: loopback of programs inside, and services of ours that they reach. */
import { PvpnError } from '../../core/errors.js'
import { type ByteStream, unattended } from '../../core/stream.js'
import type { Bytes, Endpoint } from '../../core/types.js'
import { PAIR_BYTES } from './limits.js'

/** Each with the other as its far end. */
export function streamPair(a: Endpoint, b: Endpoint): readonly [ByteStream, ByteStream] {
  const [first, second] = [new PairedStream(a, b), new PairedStream(b, a)]
  first.other = second
  second.other = first
  return [first, second]
}

class PairedStream implements ByteStream {
  readonly local: Endpoint
  readonly remote: Endpoint
  other: PairedStream = this
  onReadable: () => void = () => {}
  onWritable: () => void = () => {}
  readonly #arrived: Bytes[] = []
  #size = 0
  #finished = false
  #ending = false
  #wanted = false
  #closed = false
  #told = false
  #error: PvpnError | undefined
  #onClose: (error?: PvpnError) => void = unattended

  constructor(local: Endpoint, remote: Endpoint) {
    this.local = local
    this.remote = remote
  }

  get ended(): boolean {
    return this.#finished && this.#size === 0
  }

  get onClose(): (error?: PvpnError) => void {
    return this.#onClose
  }

  set onClose(handler: (error?: PvpnError) => void) {
    this.#onClose = handler
    if (this.#closed) process.nextTick(() => this.#tell())
  }

  write(bytes: Bytes): number {
    if (this.#ending || this.#closed) return 0
    const taken = Math.min(bytes.length, PAIR_BYTES - this.other.#size)
    if (taken > 0) this.other.#take(bytes.slice(0, taken))
    if (taken < bytes.length) this.#wanted = true
    return taken
  }

  read(): Bytes | undefined {
    if (this.#size === 0) return undefined
    const all = this.#arrived.length === 1 ? this.#arrived[0] : Buffer.concat(this.#arrived)
    this.#arrived.length = 0
    this.#size = 0
    const { other } = this
    if (other.#wanted) {
      other.#wanted = false
      process.nextTick(() => {
        if (!other.#closed) other.onWritable()
      })
    }
    return all
  }

  end(): void {
    if (this.#ending || this.#closed) return
    this.#ending = true
    this.other.#finish()
    this.#settle()
  }

  abort(): void {
    this.#told = true
    if (this.#closed) return
    this.#closed = true
    this.other.#fail()
  }

  #take(bytes: Bytes): void {
    this.#arrived.push(bytes)
    this.#size += bytes.length
    this.#wake()
  }

  #finish(): void {
    this.#finished = true
    this.#wake()
  }

  #wake(): void {
    process.nextTick(() => {
      if (!this.#told) this.onReadable()
    })
  }

  #fail(): void {
    if (this.#closed) return
    this.#closed = true
    this.#error = new PvpnError('ERR_RESET', 'reset by the program at the other end')
    process.nextTick(() => this.#tell())
  }

  /** Both have ended: the close follows what was written. */
  #settle(): void {
    const { other } = this
    if (!this.#finished || !other.#finished) return
    for (const one of [this, other]) {
      one.#closed = true
      process.nextTick(() => one.#tell())
    }
  }

  #tell(): void {
    if (this.#told || this.#onClose === unattended) return
    this.#told = true
    this.#onClose(this.#error)
  }
}
