/**
 * Connections (or what is left of them) by their four addresses: a Map from a keyed hash, so that the
 * packet path makes no string, and a chain for those whose hashes are equal.
 */
import { equalBytes, i32 } from '../../core/bytes.js'
import type { Bytes, Random } from '../../core/types.js'

export interface Addressed<T> {
  readonly localIp: Bytes
  readonly remoteIp: Bytes
  readonly localPort: number
  readonly remotePort: number
  hash: number
  chain: T | undefined
}

/** The keyed hash; one for all tables of a layer. */
export class AddressHash {
  readonly #seed: number

  constructor(random: Random) {
    const seed = new Uint8Array(4)
    random(seed)
    this.#seed = i32(seed, 0)
  }

  /** `local` and `remote` hold addresses of `size` bytes (4 or 16) at the given index. */
  of(
    local: Bytes,
    localAt: number,
    localPort: number,
    remote: Bytes,
    remoteAt: number,
    remotePort: number,
    size: number,
  ): number {
    let h = mix(this.#seed, (remotePort << 16) | localPort)
    for (let i = 0; i < size; i += 4) {
      h = mix(h, i32(remote, remoteAt + i))
      h = mix(h, i32(local, localAt + i))
    }
    h ^= h >>> 16
    h = Math.imul(h, 0x85ebca6b)
    return (h ^ (h >>> 13)) | 0
  }
}

/** One word of MurmurHash3. */
function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51)
  k = (k << 15) | (k >>> 17)
  let h = hash ^ Math.imul(k, 0x1b873593)
  h = (h << 13) | (h >>> 19)
  return (Math.imul(h, 5) + 0xe6546b64) | 0
}

export class AddressTable<T extends Addressed<T>> {
  readonly #map = new Map<number, T>()
  readonly #hash: AddressHash
  size = 0

  constructor(hash: AddressHash) {
    this.#hash = hash
  }

  add(item: T): void {
    const { localIp, remoteIp } = item
    item.hash = this.#hash.of(
      localIp,
      0,
      item.localPort,
      remoteIp,
      0,
      item.remotePort,
      localIp.length,
    )
    item.chain = this.#map.get(item.hash)
    this.#map.set(item.hash, item)
    this.size++
  }

  /** False: it was not in the table. */
  remove(item: T): boolean {
    let at = this.#map.get(item.hash)
    if (at === item) {
      if (item.chain === undefined) this.#map.delete(item.hash)
      else this.#map.set(item.hash, item.chain)
    } else {
      while (at !== undefined && at.chain !== item) at = at.chain
      if (at === undefined) return false
      at.chain = item.chain
    }
    item.chain = undefined
    this.size--
    return true
  }

  find(
    local: Bytes,
    localAt: number,
    localPort: number,
    remote: Bytes,
    remoteAt: number,
    remotePort: number,
    size: number,
  ): T | undefined {
    const hash = this.#hash.of(local, localAt, localPort, remote, remoteAt, remotePort, size)
    let item = this.#map.get(hash)
    while (item !== undefined) {
      if (
        item.remotePort === remotePort &&
        item.localPort === localPort &&
        item.remoteIp.length === size &&
        equalBytes(item.remoteIp, 0, remote, remoteAt, size) &&
        equalBytes(item.localIp, 0, local, localAt, size)
      ) {
        return item
      }
      item = item.chain
    }
    return undefined
  }

  /** All items, in no order; the table must not change meanwhile. */
  *all(): Generator<T> {
    for (const first of this.#map.values()) {
      for (let item: T | undefined = first; item !== undefined; item = item.chain) yield item
    }
  }
}
