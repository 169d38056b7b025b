/** The sessions of one peer: which one seals, and which ones still open what is under way. */
import type { Millis } from '../../core/types.js'
import type { IndexTable } from './index-table.js'
import type { Keypair } from './keypair.js'
import { WG_RETIRED_SESSIONS } from './limits.js'

export class Sessions {
  /** Seals what we send. */
  current: Keypair | undefined
  /** A session that we answered to; becomes current with the first packet received in it. */
  #next: Keypair | undefined
  /**
   * Newest first; these only open packets still under way. The paper has one, but when both ends
   * initiate at once packets may be under way in two (decision 0031).
   */
  #retired: Keypair[] = []
  readonly #indices: IndexTable

  constructor(indices: IndexTable) {
    this.#indices = indices
  }

  /** A session that we initiated: the peer has it already. */
  initiated(keypair: Keypair, now: Millis): void {
    this.#indices.promote(keypair)
    this.#retire(this.current, now)
    // Both ends may have initiated at once: the peer may be sending in the one that we answered to.
    this.#retire(this.#next, now)
    this.#next = undefined
    this.current = keypair
  }

  /** A session that the peer initiated: only the peer's first packet shows that it has our response. */
  answered(keypair: Keypair, now: Millis): void {
    this.#indices.promote(keypair)
    this.#retire(this.#next, now)
    this.#next = keypair
  }

  /** A packet came in this session. True: it was waiting for that, and is current now. */
  confirm(keypair: Keypair, now: Millis): boolean {
    if (keypair !== this.#next) return false
    this.#retire(this.current, now)
    this.current = keypair
    this.#next = undefined
    return true
  }

  /** Forgets all keys. */
  wipe(): void {
    for (const keypair of this.#retired) this.#destroy(keypair)
    this.#destroy(this.current)
    this.#destroy(this.#next)
    this.#retired = []
    this.current = undefined
    this.#next = undefined
  }

  #retire(keypair: Keypair | undefined, now: Millis): void {
    if (keypair !== undefined) this.#retired.unshift(keypair)
    const keep = this.#retired.filter((k, i) => i < WG_RETIRED_SESSIONS && !k.expired(now))
    for (const other of this.#retired) if (!keep.includes(other)) this.#destroy(other)
    this.#retired = keep
  }

  #destroy(keypair: Keypair | undefined): void {
    if (keypair === undefined) return
    this.#indices.free(keypair.localIndex)
    keypair.destroy()
  }
}
