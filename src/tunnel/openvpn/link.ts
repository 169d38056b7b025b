/** What a push makes of the environment's link: addresses, MTU, DNS, and what is reachable. */
import { formatIp, parseIp } from '../../core/ip.js'
import type { Bytes, LinkInfo } from '../../core/types.js'
import { AllowedIps } from '../wireguard/allowed-ips.js'
import { maskBits, type PushedOptions } from './push-options.js'

const INSIDE = 1
const PAST = 0

const IP_UDP_4 = 28
const IP_UDP_6 = 48
/** IPv6 needs this much of every link (RFC 8200 section 5); less is refused. */
const LEAST_MTU = 1280
/** OpenVPN's own default for `mssfix`: the outer packet's size. */
const DEFAULT_OUTER_SIZE = 1492

export interface LinkContext {
  /** Largest packet that the batches carry. */
  readonly mostMtu: number
  /** Bytes that the data channel adds. */
  readonly overhead: number
  readonly transport: 'udp' | 'tcp'
  readonly outerFamily: 4 | 6
}

/**
 * The link. Over UDP the MTU is so small that the outer packets fit the path, as `mssfix` would do
 * for TCP alone: fragments of the outer packets are what firewalls drop.
 */
export function linkOf(pushed: PushedOptions, context: LinkContext): LinkInfo {
  const addresses: string[] = []
  const { ifconfig, ifconfigIpv6, topology } = pushed
  if (ifconfig !== undefined) {
    const bits = topology === 'subnet' ? (maskBits(ifconfig.second) ?? 32) : 32
    addresses.push(`${formatIp(ifconfig.local)}/${bits}`)
  }
  if (ifconfigIpv6 !== undefined) {
    addresses.push(`${formatIp(ifconfigIpv6.local)}/${ifconfigIpv6.bits}`)
  }
  return { addresses, ...dnsOf(pushed), mtu: mtuOf(pushed, context) }
}

function mtuOf(pushed: PushedOptions, context: LinkContext): number {
  const mtu = Math.min(pushed.tunMtu ?? 1500, context.mostMtu)
  const outer = pushed.mssfix ?? DEFAULT_OUTER_SIZE
  if (context.transport === 'tcp' || outer === 0) return mtu
  const headers = context.outerFamily === 4 ? IP_UDP_4 : IP_UDP_6
  return Math.max(LEAST_MTU, Math.min(mtu, outer - headers - context.overhead))
}

/** Of `dns server` the one of highest priority that has addresses, else the `dhcp-option`s. */
function dnsOf(pushed: PushedOptions): { dns: readonly string[]; search: readonly string[] } {
  const [best] = [...pushed.dnsServers]
    .filter(([, addresses]) => addresses.length > 0)
    .sort(([a], [b]) => a - b)
  const search = pushed.dnsSearch.length > 0 ? pushed.dnsSearch : pushed.search
  return { dns: best === undefined ? pushed.dns : best[1], search }
}

/** Which addresses the tunnel leads to. */
export class Reachable {
  readonly #routes = new AllowedIps()

  constructor(pushed: PushedOptions, dns: readonly string[]) {
    const { ifconfig, ifconfigIpv6, topology, redirect4, redirect6, routes } = pushed
    if (redirect4) this.#add(new Uint8Array(4), 0, INSIDE)
    if (redirect6) this.#add(new Uint8Array(16), 0, INSIDE)
    if (ifconfig !== undefined) {
      if (topology === 'subnet') this.#add(ifconfig.local, maskBits(ifconfig.second) ?? 32, INSIDE)
      else this.#add(ifconfig.second, 32, INSIDE)
    }
    if (ifconfigIpv6 !== undefined) this.#add(ifconfigIpv6.local, ifconfigIpv6.bits, INSIDE)
    for (const { address, bits, inside } of routes) this.#add(address, bits, inside ? INSIDE : PAST)
    // A server that is pushed is meant to be asked, whether or not a route has it.
    for (const server of dns) {
      const address = parseIp(server)
      if (address !== undefined) this.#add(address, 8 * address.length, INSIDE)
    }
  }

  has(address: Bytes): boolean {
    return this.hasAt(address.length === 4 ? 4 : 6, address, 0)
  }

  hasAt(family: 4 | 6, bytes: Bytes, at: number): boolean {
    return this.#routes.lookup(family, bytes, at) === INSIDE
  }

  #add(address: Bytes, bits: number, owner: number): void {
    this.#routes.insert({ address, bits }, owner)
  }
}
