/** Our own addresses: which are ours, which one to use, and which sources can't be true. */
import { equalBytes, u8 } from '../core/bytes.js'
import { inPrefix, type Prefix, parsePrefix } from '../core/ip.js'
import type { Bytes } from '../core/types.js'

export class Addresses {
  /** Every address counts as ours. */
  readonly any: boolean
  #own: readonly Prefix[] = []

  constructor(any = false) {
    this.any = any
  }

  /** Addresses with prefix lengths; what is not one is left out. */
  set(texts: readonly string[]): void {
    this.#own = texts.map(parsePrefix).filter((p) => p !== undefined)
  }

  has(family: 4 | 6): boolean {
    return this.#own.some((p) => p.address.length === (family === 4 ? 4 : 16))
  }

  /** The first address of a family, for showing. */
  first(family: 4 | 6): Bytes | undefined {
    return this.#own.find((p) => p.address.length === (family === 4 ? 4 : 16))?.address
  }

  isLocal(address: Bytes): boolean {
    return this.ours(address, 0, address.length)
  }

  /** The same for `size` bytes at an index. */
  ours(b: Bytes, at: number, size: number): boolean {
    if (this.any) return true
    for (const { address } of this.#own) {
      if (address.length === size && equalBytes(address, 0, b, at, size)) return true
    }
    return false
  }

  /**
   * The address for talking to a destination (RFC 6724 in small): same family and scope, then the one
   * whose prefix has the destination, the longest first, then the first configured.
   */
  sourceFor(destination: Bytes): Bytes | undefined {
    let best: Prefix | undefined
    let bestRank = -1
    for (const own of this.#own) {
      if (own.address.length !== destination.length) continue
      const scope = isLinkLocal(own.address) === isLinkLocal(destination) ? 1000 : 0
      const rank = scope + (inPrefix(destination, own) ? own.bits + 1 : 0)
      if (rank > bestRank) {
        best = own
        bestRank = rank
      }
    }
    return best?.address
  }
}

function isLinkLocal(address: Bytes): boolean {
  return address.length === 4
    ? u8(address, 0) === 169 && u8(address, 1) === 254
    : u8(address, 0) === 0xfe && (u8(address, 1) & 0xc0) === 0x80
}

/** Can no packet from a network have this source (RFC 1122 section 3.2.1.3, RFC 4291): unspecified, loopback, multicast, broadcast? */
export function impossibleSource(b: Bytes, at: number, size: number): boolean {
  const first = u8(b, at)
  if (size === 4) return first === 0 || first === 127 || first >= 224
  if (first === 0xff) return true
  if (first !== 0) return false
  for (let i = 1; i < 15; i++) if (u8(b, at + i) !== 0) return false
  return u8(b, at + 15) <= 1
}

/** Multicast or limited broadcast: nothing that one connection or ICMP error could be about. */
export function isGroup(b: Bytes, at: number, size: number): boolean {
  return size === 4 ? u8(b, at) >= 224 : u8(b, at) === 0xff
}
