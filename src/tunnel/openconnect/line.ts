/** One TLS connection as the machine sees it: what it said waits for the machine's next turn. */
import { PvpnError } from '../../core/errors.js'
import type { SecureCarrier, SecureConnection, SecureTarget } from '../../core/secure-carrier.js'
import type { Bytes } from '../../core/types.js'
import { OC_WAITING_BYTES } from './limits.js'
import type { Origin } from './origin.js'

export type LineEvent =
  | { readonly kind: 'secure' }
  | { readonly kind: 'bytes'; readonly bytes: Bytes }
  | { readonly kind: 'closed'; readonly error: PvpnError }

export class Line {
  readonly origin: Origin
  readonly address: Bytes
  /** Answers that came over it. */
  served = 0
  readonly #connection: SecureConnection
  readonly #events: LineEvent[] = []
  readonly #wake: () => void
  #waiting = 0
  #closed = false

  constructor(carrier: SecureCarrier, origin: Origin, target: SecureTarget, wake: () => void) {
    this.origin = origin
    this.address = target.address
    this.#wake = wake
    this.#connection = carrier.open(target, {
      onSecure: () => this.#note({ kind: 'secure' }),
      onBytes: (bytes) => this.#came(bytes),
      onClose: (error) => this.#note({ kind: 'closed', error }),
    })
  }

  get pending(): boolean {
    return this.#events.length > 0
  }

  take(): LineEvent | undefined {
    const event = this.#events.shift()
    if (event?.kind === 'bytes') this.#waiting -= event.bytes.length
    return event
  }

  write(bytes: Bytes): void {
    this.#connection.write(bytes)
  }

  carry(bytes: Bytes, largest: number): void {
    this.#connection.carry(bytes, largest)
  }

  close(): void {
    this.#closed = true
    this.#events.length = 0
    this.#connection.close()
  }

  #came(bytes: Bytes): void {
    this.#waiting += bytes.length
    if (this.#waiting <= OC_WAITING_BYTES) {
      this.#note({ kind: 'bytes', bytes })
      return
    }
    if (this.#closed) return
    this.close()
    this.#closed = false
    this.#note({
      kind: 'closed',
      error: new PvpnError('ERR_PROTOCOL', 'the server sends more than anybody asked for'),
    })
    this.#closed = true
  }

  #note(event: LineEvent): void {
    if (this.#closed) return
    this.#events.push(event)
    this.#wake()
  }
}
