/**
 * Which counters of a session were seen (RFC 6479): a ring of 32-bit words that slides with the
 * newest counter. The ring is larger than the window, so that sliding only clears whole words.
 */
import { WG_REPLAY_WINDOW } from './limits.js'

const WORD_BITS = 32
/** A power of two, as the ring's index is masked. */
const WORDS = (2 * WG_REPLAY_WINDOW) / WORD_BITS

export class ReplayWindow {
  readonly #words = new Int32Array(WORDS)
  #newest = -1

  /** Notes a counter. False: seen before, or too old to tell. Only for authenticated packets. */
  accept(counter: number): boolean {
    const word = Math.floor(counter / WORD_BITS)
    if (counter > this.#newest) {
      this.#slide(word)
      this.#newest = counter
    } else if (counter + WG_REPLAY_WINDOW <= this.#newest) {
      return false
    }
    const index = word % WORDS
    const bit = 1 << (counter % WORD_BITS)
    const bits = this.#words[index] as number
    if ((bits & bit) !== 0) return false
    this.#words[index] = bits | bit
    return true
  }

  #slide(word: number): void {
    const newestWord = Math.floor(this.#newest / WORD_BITS)
    if (word - newestWord >= WORDS) {
      this.#words.fill(0)
      return
    }
    for (let w = newestWord + 1; w <= word; w++) this.#words[w % WORDS] = 0
  }
}
