/** What the resolver works with: the configuration and what the tunnel brings, brought together. */
import { domainToASCII } from 'node:url'
import type { DnsOptions } from '../core/options.js'
import type { LinkInfo } from '../core/types.js'
import type { ResolverConfig } from '../dns/view.js'

export type AddressFamily = 4 | 6

export const DNS_PORT = 53

/** The configuration's word, else what the tunnel brings. */
export function effectiveConfig(dns: DnsOptions, link: LinkInfo): ResolverConfig {
  return {
    servers: dns.servers ?? link.dns.map((address) => ({ address, port: DNS_PORT })),
    search: dns.search ?? link.search,
    zones: dns.zones,
    hosts: dns.hosts,
  }
}

/** Families that a link has addresses of; both when it has none of its own (a tunnel of streams). */
export function familiesOf(link: LinkInfo): readonly AddressFamily[] {
  const families = ([6, 4] as const).filter((family) =>
    link.addresses.some((address) => address.includes(':') === (family === 6)),
  )
  return families.length > 0 ? families : [6, 4]
}

/** Names in other scripts, as they stand in DNS (UTS 46). What can't be converted stays, and is refused as a name. */
export function asciiName(name: string): string {
  if (/^[!-~]*$/.test(name)) return name
  return domainToASCII(name)
}
