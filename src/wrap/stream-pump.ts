/** Joins two streams, byte for byte: half-close and reset pass through, a side that does not read holds the other back. */
import type { ByteStream } from '../core/stream.js'
import type { Bytes } from '../core/types.js'

/** Both streams are the pump's from here on. `onDone` is called once, when both are done. */
export function pump(a: ByteStream, b: ByteStream, onDone: () => void): void {
  let open = 2
  const closed = () => {
    open--
    if (open === 0) onDone()
  }
  const toB = new Direction(a, b)
  const toA = new Direction(b, a)
  a.onClose = (error) => {
    toB.last(error !== undefined)
    closed()
  }
  b.onClose = (error) => {
    toA.last(error !== undefined)
    closed()
  }
  a.onReadable = () => toB.move()
  b.onWritable = () => toB.move()
  b.onReadable = () => toA.move()
  a.onWritable = () => toA.move()
  toB.move()
  toA.move()
}

class Direction {
  readonly #from: ByteStream
  readonly #to: ByteStream
  /** What the receiver has not taken: nothing more is read until it has. */
  #rest: Bytes | undefined
  #over = false

  constructor(from: ByteStream, to: ByteStream) {
    this.#from = from
    this.#to = to
  }

  move(): void {
    if (this.#over) return
    for (;;) {
      const bytes = this.#rest ?? this.#from.read()
      this.#rest = undefined
      if (bytes === undefined) break
      const taken = this.#to.write(bytes)
      if (taken < bytes.length) {
        this.#rest = bytes.subarray(taken)
        return
      }
    }
    if (!this.#from.ended) return
    this.#over = true
    this.#to.end()
  }

  /** The sender has closed: what it left is delivered, then its end; a failure is passed on at once. */
  last(failed: boolean): void {
    if (failed) {
      this.#over = true
      this.#to.abort()
    } else this.move()
  }
}
