/** Path MTUs that routers have told (RFC 1191, RFC 8201). Aged, bounded, and never below a floor. */
import { formatIp } from '../core/ip.js'
import type { Bytes, Millis } from '../core/types.js'
import { IPV6_MINIMUM_MTU } from '../wire/ip.js'
import { PATH_MTU_FLOOR_4, PATH_MTU_TIME, PATH_MTUS } from './limits.js'

/** Sizes of common links (RFC 1191 section 7), for routers that tell none. */
const PLATEAUS = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, PATH_MTU_FLOOR_4]

interface Entry {
  readonly mtu: number
  readonly until: Millis
}

export class PathMtu {
  /** By address text, oldest first. */
  readonly #entries = new Map<string, Entry>()
  #link = 1420

  /** A new link: what was learnt of the old one is forgotten. */
  setLink(mtu: number): void {
    this.#link = mtu
    this.#entries.clear()
  }

  get link(): number {
    return this.#link
  }

  get(destination: Bytes): number {
    if (this.#entries.size === 0) return this.#link
    const entry = this.#entries.get(formatIp(destination))
    return entry === undefined ? this.#link : Math.min(entry.mtu, this.#link)
  }

  /**
   * A router says that packets of `tooBig` bytes do not fit and `mtu` would (0: it does not say).
   * True when that lowers what we had.
   */
  lower(destination: Bytes, mtu: number, tooBig: number, now: Millis): boolean {
    const floor = destination.length === 4 ? PATH_MTU_FLOOR_4 : IPV6_MINIMUM_MTU
    const told = mtu > 0 ? mtu : (PLATEAUS.find((p) => p < tooBig) ?? floor)
    const lowered = Math.max(told, floor)
    if (lowered >= this.get(destination)) return false
    const key = formatIp(destination)
    this.#entries.delete(key)
    this.#entries.set(key, { mtu: lowered, until: now + PATH_MTU_TIME })
    if (this.#entries.size > PATH_MTUS) this.#forgetOldest()
    return true
  }

  deadline(): Millis {
    for (const entry of this.#entries.values()) return entry.until
    return Number.POSITIVE_INFINITY
  }

  tick(now: Millis): void {
    for (const [key, entry] of this.#entries) {
      if (entry.until > now) return
      this.#entries.delete(key)
    }
  }

  #forgetOldest(): void {
    for (const key of this.#entries.keys()) {
      this.#entries.delete(key)
      return
    }
  }
}
