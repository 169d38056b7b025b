/**
 * Where a peer is: what the configuration says, the addresses that its name has, and the address
 * from which the last authenticated message came (roaming).
 */
import { formatHostPort, parseIp } from '../../core/ip.js'
import {
  ADDRESS_SIZE,
  formatSocketAddress,
  hasSocketAddress,
  sameSocketAddress,
  socketAddress,
} from '../../core/socket-address.js'
import type { Bytes, Target } from '../../core/types.js'
import { WG_ENDPOINT_ADDRESSES } from './limits.js'

export class PeerEndpoint {
  readonly configured: Target | undefined
  /** Is the configured host a name that must be resolved? */
  readonly isName: boolean
  /** Socket address of the peer; meaningful when `known`. */
  readonly current = new Uint8Array(ADDRESS_SIZE)
  known = false
  /** Addresses of the configured endpoint, in the order in which they are tried. */
  #candidates: readonly Bytes[] = []
  /** Where the last authenticated message came from: tried again too. */
  #learned: Bytes | undefined

  constructor(configured: Target | undefined) {
    this.configured = configured
    const ip = configured && parseIp(configured.host)
    this.isName = configured !== undefined && ip === undefined
    if (configured !== undefined && ip !== undefined) {
      this.setCandidates([socketAddress(ip, configured.port)])
    }
  }

  /** The address of an authenticated message, if it is known. */
  learn(addresses: Bytes, at: number): void {
    if (!hasSocketAddress(addresses, at)) return
    if (this.known && sameSocketAddress(this.current, 0, addresses, at)) return
    this.#learned = addresses.slice(at, at + ADDRESS_SIZE)
    this.#use(this.#learned)
  }

  /** New addresses of the configured name. True: the address in use is not, or no longer, one of them. */
  setCandidates(addresses: readonly Bytes[]): boolean {
    this.#candidates = addresses.slice(0, WG_ENDPOINT_ADDRESSES).map((a) => Uint8Array.from(a))
    if (this.known && position(this.#candidates, this.current) >= 0) return false
    const [first] = this.#candidates
    if (!this.known && first !== undefined) this.#use(first)
    return true
  }

  /** Goes on to the next address to try. True: all have been tried since the first. */
  advance(): boolean {
    const all = [...this.#candidates]
    if (this.#learned !== undefined && position(all, this.#learned) < 0) all.push(this.#learned)
    const next = position(all, this.current) + 1
    const address = all[next] ?? all[0]
    if (address !== undefined) this.#use(address)
    return next >= all.length
  }

  /** `host:port` for status; undefined when nobody knows. */
  get text(): string | undefined {
    if (this.known) return formatSocketAddress(this.current)
    return this.configured && formatHostPort(this.configured.host, this.configured.port)
  }

  /** For messages: the name too, when there is one. */
  get description(): string {
    const address = this.known ? formatSocketAddress(this.current) : undefined
    if (this.configured === undefined || !this.isName) return address ?? 'the peer'
    const name = formatHostPort(this.configured.host, this.configured.port)
    if (address === undefined) return name
    const others = this.#candidates.length - 1
    return others > 0 ? `${name} (${address} and ${others} more)` : `${name} (${address})`
  }

  #use(address: Bytes): void {
    this.current.set(address)
    this.known = true
  }
}

function position(list: readonly Bytes[], address: Bytes): number {
  return list.findIndex((a) => sameSocketAddress(a, 0, address, 0))
}
