/** A ByteStream whose far side is the test. */
import type { PvpnError } from '../../src/core/errors.js'
import type { ByteStream } from '../../src/core/stream.js'

export class FakeStream implements ByteStream {
  readonly local = { address: '10.0.0.1', port: 1 }
  readonly remote = { address: '10.0.0.2', port: 2 }
  onReadable: () => void = () => {}
  onWritable: () => void = () => {}
  onClose: (error?: PvpnError) => void = () => {}
  /** What was written, in the pieces that were taken. */
  readonly written: Buffer[] = []
  /** Bytes that write still takes. */
  room = Number.POSITIVE_INFINITY
  finished = false
  aborted = false
  reads = 0
  #incoming: Buffer[] = []
  #farEnded = false

  get ended(): boolean {
    return this.#farEnded && this.#incoming.length === 0
  }

  get text(): string {
    return Buffer.concat(this.written).toString()
  }

  write(bytes: Uint8Array): number {
    if (this.finished || this.aborted) return 0
    const taken = Math.min(this.room, bytes.length)
    this.room -= taken
    if (taken > 0) this.written.push(Buffer.from(bytes.subarray(0, taken)))
    return taken
  }

  read(): Uint8Array | undefined {
    this.reads++
    if (this.#incoming.length === 0) return undefined
    return Buffer.concat(this.#incoming.splice(0))
  }

  end(): void {
    this.finished = true
  }

  abort(): void {
    this.aborted = true
  }

  /** The far side sends, and with `end` ends. */
  receive(text: string | Buffer, end = false): void {
    if (text.length > 0) this.#incoming.push(Buffer.from(text))
    this.#farEnded ||= end
    this.onReadable()
  }

  /** The far side reads. */
  drain(bytes: number): void {
    this.room += bytes
    this.onWritable()
  }
}

/** Waits until it holds; fails after `timeout` ms. */
export async function eventually(done: () => boolean, what = 'it', timeout = 2_000): Promise<void> {
  for (let i = 0; i < timeout / 5; i++) {
    if (done()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`${what} did not happen`)
}
