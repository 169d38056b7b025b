/** Our indices in use: which handshake or session a received message is for. */
import { u32le } from '../../core/bytes.js'
import type { Random } from '../../core/types.js'
import type { Keypair } from './keypair.js'
import type { Peer } from './peer.js'

export interface IndexEntry {
  readonly peer: Peer
  /** Absent while the handshake is under way. */
  keypair: Keypair | undefined
}

export class IndexTable {
  readonly #entries = new Map<number, IndexEntry>()
  readonly #random: Random
  readonly #bytes = new Uint8Array(4)

  constructor(random: Random) {
    this.#random = random
  }

  /** A random index that nobody uses: strangers can't guess it. */
  take(peer: Peer): number {
    for (;;) {
      this.#random(this.#bytes)
      const index = u32le(this.#bytes, 0) | 0
      if (this.#entries.has(index)) continue
      this.#entries.set(index, { peer, keypair: undefined })
      return index
    }
  }

  get(index: number): IndexEntry | undefined {
    return this.#entries.get(index)
  }

  /** The handshake with this index has become a session. */
  promote(keypair: Keypair): void {
    const entry = this.#entries.get(keypair.localIndex)
    if (entry !== undefined) entry.keypair = keypair
  }

  free(index: number): void {
    this.#entries.delete(index)
  }

  get size(): number {
    return this.#entries.size
  }
}
