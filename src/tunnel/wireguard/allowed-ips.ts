/**
 * Cryptokey routing: a binary trie per address family from prefix to peer, longest match. A node is
 * an index in three arrays, so that a look-up makes nothing; under `0.0.0.0/0` alone it is one step.
 */
import { i32, u8 } from '../../core/bytes.js'
import type { Prefix } from '../../core/ip.js'
import type { Bytes } from '../../core/types.js'

const NONE = -1

class Trie {
  /** Children by bit: [2 * node + bit]; 0 is none, as the root is nobody's child. */
  readonly #children: number[] = [0, 0]
  readonly #owner: number[] = [NONE]

  insert(prefix: Prefix, owner: number): void {
    let node = 0
    for (let bit = 0; bit < prefix.bits; bit++) {
      const slot = 2 * node + ((u8(prefix.address, bit >>> 3) >>> (7 - (bit & 7))) & 1)
      let child = this.#children[slot] as number
      if (child === 0) {
        child = this.#owner.length
        this.#owner.push(NONE)
        this.#children.push(0, 0)
        this.#children[slot] = child
      }
      node = child
    }
    this.#owner[node] = owner
  }

  lookup(bytes: Bytes, at: number, bits: number): number {
    let node = 0
    let found = this.#owner[0] as number
    for (let bit = 0; bit < bits; bit++) {
      node = this.#children[
        2 * node + ((u8(bytes, at + (bit >>> 3)) >>> (7 - (bit & 7))) & 1)
      ] as number
      if (node === 0) break
      const owner = this.#owner[node] as number
      if (owner !== NONE) found = owner
    }
    return found
  }
}

export class AllowedIps {
  readonly #v4 = new Trie()
  readonly #v6 = new Trie()
  /** The last IPv4 look-up: packets of one connection come in rows. */
  #lastAddress = 0
  #lastOwner: number | undefined

  /** Of two peers with the same prefix the later one has it, as with `wg set`. */
  insert(prefix: Prefix, peer: number): void {
    const trie = prefix.address.length === 4 ? this.#v4 : this.#v6
    trie.insert(prefix, peer)
    this.#lastOwner = undefined
  }

  /** The peer's number for the address of this family at this place; -1: none. */
  lookup(family: 4 | 6, bytes: Bytes, at: number): number {
    if (family === 6) return this.#v6.lookup(bytes, at, 128)
    const address = i32(bytes, at)
    if (this.#lastOwner !== undefined && address === this.#lastAddress) return this.#lastOwner
    this.#lastAddress = address
    this.#lastOwner = this.#v4.lookup(bytes, at, 32)
    return this.#lastOwner
  }
}
