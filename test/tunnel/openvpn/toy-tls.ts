/**
 * A stand-in for TLS in tests of the machine: a greeting each way, then framed plaintext. Protects
 * nothing; answers come later, as an engine's must.
 */
import type {
  TlsEngine,
  TlsEngineFactory,
  TlsEngineHandlers,
} from '../../../src/core/tls-engine.js'

const HELLO = 1
const DATA = 2

export function record(kind: number, payload: Uint8Array): Uint8Array {
  return Uint8Array.of(kind, payload.length >> 8, payload.length & 0xff, ...payload)
}

/** The key material that both sides export. */
export function exported(length: number, label: string): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + label.length) & 0xff)
}

/** One side; `first` greets at once. */
export class ToyTls implements TlsEngine {
  readonly #handlers: TlsEngineHandlers
  readonly #later: (run: () => void) => void
  readonly #first: boolean
  #bytes: number[] = []
  #closed = false

  constructor(handlers: TlsEngineHandlers, later: (run: () => void) => void, first: boolean) {
    this.#handlers = handlers
    this.#later = later
    this.#first = first
    if (first) this.#soon(() => handlers.onOutput(record(HELLO, new Uint8Array(2000).fill(1))))
  }

  input(bytes: Uint8Array): void {
    this.#bytes.push(...bytes)
    while (this.#bytes.length >= 3) {
      const [kind, high = 0, low = 0] = this.#bytes
      const end = 3 + (high << 8) + low
      if (this.#bytes.length < end) return
      const payload = Uint8Array.from(this.#bytes.slice(3, end))
      this.#bytes = this.#bytes.slice(end)
      if (kind === HELLO) this.#hello()
      else this.#soon(() => this.#handlers.onPlaintext(payload))
    }
  }

  write(bytes: Uint8Array): void {
    this.#soon(() => this.#handlers.onOutput(record(DATA, bytes)))
  }

  exportKey(length: number, label: string): Uint8Array {
    return exported(length, label)
  }

  close(): void {
    this.#closed = true
  }

  #hello(): void {
    if (!this.#first) {
      this.#soon(() => this.#handlers.onOutput(record(HELLO, new Uint8Array(3000).fill(2))))
    }
    this.#soon(() => this.#handlers.onSecure())
  }

  #soon(run: () => void): void {
    this.#later(() => {
      if (!this.#closed) run()
    })
  }
}

export function toyTls(later: (run: () => void) => void): TlsEngineFactory {
  return (handlers) => new ToyTls(handlers, later, true)
}
