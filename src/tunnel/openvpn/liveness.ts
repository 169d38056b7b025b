/** When a connection that is up owes its peer a sign of life, and when it misses the peer's. */
import type { Millis } from '../../core/types.js'
import type { DataChannel } from './data-channel.js'
import type { PushedOptions } from './push-options.js'
import { DEFAULT_PING_RESTART } from './timing.js'

const NEVER = Number.POSITIVE_INFINITY

export class Liveness {
  readonly #data: DataChannel
  readonly #pushed: PushedOptions
  #began = false

  constructor(data: DataChannel, pushed: PushedOptions) {
    this.#data = data
    this.#pushed = pushed
  }

  /** The connection is up: its peer was heard just now. */
  begin(now: Millis): void {
    this.#began = true
    this.#data.lastReceived = now
    this.#data.lastSent = now
  }

  /** Silence that ends the connection (`ping-restart`); 0 is off. */
  get patience(): Millis {
    return this.#pushed.pingRestart ?? DEFAULT_PING_RESTART
  }

  silentAt(): Millis {
    const { patience } = this
    return this.#began && patience > 0 ? this.#data.lastReceived + patience : NEVER
  }

  pingAt(): Millis {
    const { ping } = this.#pushed
    return this.#began && ping ? this.#data.lastSent + ping : NEVER
  }
}
