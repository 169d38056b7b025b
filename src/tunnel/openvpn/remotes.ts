/** The remotes in the order they are tried, round after round, and how long to wait in between. */

import { u8 } from '../../core/bytes.js'
import type { OpenvpnRemote } from '../../core/options.js'
import type { Millis, Random } from '../../core/types.js'
import { RETRY_FIRST, RETRY_LONGEST } from './timing.js'

export interface RemotesOptions {
  readonly remotes: readonly OpenvpnRemote[]
  /** `remote-random`. */
  readonly shuffle: boolean
  readonly random: Random
  readonly retryFirst?: Millis
  readonly retryLongest?: Millis
}

export class Remotes {
  readonly #order: readonly OpenvpnRemote[]
  readonly #first: Millis
  readonly #longest: Millis
  #at = 0
  #triedInRound = 0
  #wait: Millis

  /** At least one remote. */
  constructor({ remotes, shuffle, random, retryFirst, retryLongest }: RemotesOptions) {
    this.#order = shuffle ? shuffled(remotes, random) : remotes
    this.#first = retryFirst ?? RETRY_FIRST
    this.#longest = Math.max(this.#first, retryLongest ?? RETRY_LONGEST)
    this.#wait = this.#first
  }

  get current(): OpenvpnRemote {
    return this.#order[this.#at] as OpenvpnRemote
  }

  /** The current remote has failed: moves on and says how long to wait; `roundEnded` when each had its turn. */
  failed(): { readonly wait: Millis; readonly roundEnded: boolean } {
    this.#at = (this.#at + 1) % this.#order.length
    this.#triedInRound++
    if (this.#triedInRound < this.#order.length) return { wait: this.#first, roundEnded: false }
    const wait = this.#wait
    this.#wait = Math.min(2 * wait, this.#longest)
    this.#triedInRound = 0
    return { wait, roundEnded: true }
  }

  /** The current remote works: the next round begins with it, and waits begin anew. */
  worked(): void {
    this.#triedInRound = 0
    this.#wait = this.#first
  }

  /** How long to wait before a remote that worked is tried again. */
  get pause(): Millis {
    return this.#first
  }
}

/** Fisher and Yates; the bias of a byte's remainder does not matter here. */
function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  const out = [...items]
  const bytes = new Uint8Array(out.length)
  random(bytes)
  for (let i = out.length - 1; i > 0; i--) {
    const j = u8(bytes, i) % (i + 1)
    const kept = out[i] as T
    out[i] = out[j] as T
    out[j] = kept
  }
  return out
}
