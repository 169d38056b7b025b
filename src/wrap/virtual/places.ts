/** Where addresses lie, as programs inside see it: their own loopback, their own addresses, or elsewhere. */
import { parseIp } from '../../core/ip.js'
import type { ManagedEnvironment } from '../../core/managed-environment.js'

/** What programs of a tunnel without an IP layer are told (as in its namespaces). */
const WITHOUT_LINK = ['192.0.0.2', 'fd70:7670:6e::2']

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

export function isAny(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

export function familyOf(address: string): 4 | 6 {
  return parseIp(address)?.length === 4 ? 4 : 6
}

/** Without prefix lengths. */
export function ownAddresses(environment: Pick<ManagedEnvironment, 'link'>): readonly string[] {
  const { link } = environment
  if (link === undefined) return WITHOUT_LINK
  return link.addresses.map((text) => text.replace(/\/.*$/, ''))
}

/** The environment's address of that family; "any" when it has none. */
export function ownAddress(environment: Pick<ManagedEnvironment, 'link'>, family: 4 | 6): string {
  const found = ownAddresses(environment).find((address) => familyOf(address) === family)
  return found ?? (family === 4 ? '0.0.0.0' : '::')
}

export function loopbackOf(family: 4 | 6): string {
  return family === 4 ? '127.0.0.1' : '::1'
}

/** IPPROTO_IPV6 and IPV6_V6ONLY, as options are remembered. */
const V6ONLY = '0000001a00000029'

/** Does a socket that is bound to "::" leave IPv4 to others? */
export function isV6Only(options: ReadonlyMap<string, Uint8Array>): boolean {
  return (options.get(V6ONLY)?.[0] ?? 0) !== 0
}
