/** What a push makes of the environment's link: addresses, MTU, DNS, and what is reachable. */
import { formatIp, maskBits, parseHostPort, parseIp } from '../../core/ip.js'
import type { Bytes, LinkInfo } from '../../core/types.js'
import { AllowedIps } from '../wireguard/allowed-ips.js'
import type { PushedOptions } from './push-options.js'

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
  const { words } = pushed.leftOut
  const leftOut = words.length === 0 ? {} : { leftOut: words }
  return { addresses, ...dnsOf(pushed), mtu: mtuOf(pushed, context), ...leftOut }
}

function mtuOf(pushed: PushedOptions, context: LinkContext): number {
  const mtu = Math.min(pushed.tunMtu ?? 1500, context.mostMtu)
  const outer = pushed.mssfix ?? DEFAULT_OUTER_SIZE
  if (context.transport === 'tcp' || outer === 0) return mtu
  const headers = context.outerFamily === 4 ? IP_UDP_4 : IP_UDP_6
  return Math.max(LEAST_MTU, Math.min(mtu, outer - headers - context.overhead))
}

/**
 * Of `dns server` the one of highest priority that is for everything, and those for domains of their
 * own; without any, the `dhcp-option`s.
 */
function dnsOf(pushed: PushedOptions): Pick<LinkInfo, 'dns' | 'search' | 'zones'> {
  const servers = [...pushed.dnsServers]
    .filter(([, { addresses, plain }]) => plain && addresses.length > 0)
    .sort(([a], [b]) => a - b)
    .map(([, server]) => server)
  const search = pushed.dnsSearch.length > 0 ? pushed.dnsSearch : pushed.search
  if (servers.length === 0) return { dns: pushed.dns, search }
  const zones = new Map<string, readonly string[]>()
  for (const { addresses, domains } of servers) {
    for (const domain of domains) {
      const zone = domain.toLowerCase().replace(/\.$/, '')
      if (!zones.has(zone)) zones.set(zone, addresses)
    }
  }
  const everything = servers.find(({ domains }) => domains.length === 0)
  return {
    dns: everything?.addresses ?? [],
    search,
    ...(zones.size === 0 ? {} : { zones: Object.fromEntries(zones) }),
  }
}

/** Addresses of every DNS server of a link, without ports. */
export function dnsAddresses({ dns, zones = {} }: LinkInfo): readonly string[] {
  const texts = [...dns, ...Object.values(zones).flat()]
  return texts.map((text) => (parseIp(text) === undefined ? parseHostPort(text)?.host : text) ?? '')
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
