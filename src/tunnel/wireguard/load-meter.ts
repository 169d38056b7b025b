/** How many handshake messages come, in windows of a second: is this load, and is one sender its cause? */
import { socketAddressIp } from '../../core/socket-address.js'
import type { Bytes, Millis } from '../../core/types.js'
import { WG_HANDSHAKES_PER_ADDRESS, WG_HANDSHAKES_PER_SECOND, WG_LOAD_ADDRESSES } from './limits.js'

const WINDOW = 1000

export class LoadMeter {
  #windowEnd: Millis = Number.NEGATIVE_INFINITY
  #count = 0
  #previousWasLoaded = false
  readonly #perAddress = new Map<string, number>()

  /** Counts a message whose mac1 is good. True: this second or the one before has too many. */
  underLoad(now: Millis): boolean {
    if (now >= this.#windowEnd) {
      const adjacent = now < this.#windowEnd + WINDOW
      this.#previousWasLoaded = adjacent && this.#count > WG_HANDSHAKES_PER_SECOND
      this.#windowEnd = now + WINDOW
      this.#count = 0
      this.#perAddress.clear()
    }
    this.#count++
    return this.#previousWasLoaded || this.#count > WG_HANDSHAKES_PER_SECOND
  }

  /** Under load: may one more message from this (proven) socket address be taken? By IP, whatever the port. */
  admit(address: Bytes): boolean {
    const key = String.fromCharCode(...socketAddressIp(address))
    const taken = this.#perAddress.get(key)
    if (taken === undefined && this.#perAddress.size >= WG_LOAD_ADDRESSES) return false
    this.#perAddress.set(key, (taken ?? 0) + 1)
    return (taken ?? 0) < WG_HANDSHAKES_PER_ADDRESS
  }
}
