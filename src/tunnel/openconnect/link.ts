/** What the server's settings make of the environment's link, and what is reachable. */
import { u8 } from '../../core/bytes.js'
import { formatIp, parseIp } from '../../core/ip.js'
import type { Bytes, LinkInfo } from '../../core/types.js'
import { AllowedIps } from '../wireguard/allowed-ips.js'
import type { Settings } from './settings.js'

const INSIDE = 1
const PAST = 0

/** Largest packet inside: larger ones would only be cut by the networks behind the server. */
export const MOST_MTU = 1500
/** The smallest MTU that IPv4 programs can be given (RFC 791) and IPv6 ones (RFC 8200 section 5), in bytes. */
const LEAST_MTU_4 = 576
const LEAST_MTU_6 = 1280
/** When the server does not say. */
const USUAL_MTU = 1400

/** Of the settings what a link needs. */
export type LinkSettings = Pick<
  Settings,
  | 'address4'
  | 'bits4'
  | 'address6'
  | 'bits6'
  | 'dns'
  | 'search'
  | 'routes'
  | 'mtu'
  | 'leftOut'
  | 'banner'
>

export function linkOf(settings: LinkSettings): LinkInfo {
  const {
    address4,
    bits4,
    address6,
    bits6,
    dns,
    search,
    mtu = USUAL_MTU,
    leftOut,
    banner,
  } = settings
  const addresses: string[] = []
  if (address4 !== undefined) addresses.push(`${formatIp(address4)}/${bits4}`)
  if (address6 !== undefined) addresses.push(`${formatIp(address6)}/${bits6}`)
  const least = address6 === undefined ? LEAST_MTU_4 : LEAST_MTU_6
  return {
    addresses,
    dns,
    search,
    mtu: Math.min(MOST_MTU, Math.max(least, mtu)),
    ...(leftOut.length === 0 ? {} : { leftOut }),
    ...(banner === '' ? {} : { banner }),
  }
}

/** Which addresses the tunnel leads to. */
export class Reachable {
  readonly #routes = new AllowedIps()

  constructor({ address4, bits4, address6, bits6, routes, dns }: LinkSettings) {
    for (const [own, bits, size] of [
      [address4, bits4, 4],
      [address6, bits6, 16],
    ] as const) {
      if (own === undefined) continue
      // Without a list of networks inside the tunnel leads everywhere.
      const split = routes.some((route) => route.inside && route.address.length === size)
      if (!split) this.#add(new Uint8Array(size), 0, INSIDE)
      this.#add(own, bits, INSIDE)
    }
    for (const { address, bits, inside } of routes) this.#add(address, bits, inside ? INSIDE : PAST)
    // A server that is given is meant to be asked, whether or not a route has it.
    for (const server of dns) {
      const address = parseIp(server)
      if (address !== undefined) this.#add(address, 8 * address.length, INSIDE)
    }
  }

  has(address: Bytes): boolean {
    return this.#routes.lookup(address.length === 4 ? 4 : 6, address, 0) === INSIDE
  }

  /** Of an IP packet: is it one, and does its destination lie inside? */
  hasDestination(bytes: Bytes, at: number): boolean {
    const v6 = u8(bytes, at) >>> 4 === 6
    return this.#routes.lookup(v6 ? 6 : 4, bytes, at + (v6 ? 24 : 16)) === INSIDE
  }

  #add(address: Bytes, bits: number, owner: number): void {
    this.#routes.insert({ address, bits }, owner)
  }
}

/** Does an IP packet of a full header begin here? */
export function isIpPacket(bytes: Bytes, at: number, length: number): boolean {
  const version = length > 0 ? u8(bytes, at) >>> 4 : 0
  return (version === 4 && length >= 20) || (version === 6 && length >= 40)
}
