/** So many per second, with a burst of one second's worth. */
import type { Millis } from '../core/types.js'

export class TokenBucket {
  readonly #perSecond: number
  #tokens: number
  #at: Millis = 0

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
  }

  take(now: Millis): boolean {
    const grown = this.#tokens + ((now - this.#at) / 1000) * this.#perSecond
    this.#tokens = Math.min(this.#perSecond, grown)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
