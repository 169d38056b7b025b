/** What the resolver works with: the configuration and what the tunnel brings, brought together. */
import { domainToASCII } from 'node:url'
import { parseHostPort, parseIp } from '../core/ip.js'
import type { DnsOptions } from '../core/options.js'
import type { Endpoint, LinkInfo } from '../core/types.js'
import type { ResolverConfig } from '../dns/view.js'

export type AddressFamily = 4 | 6

export const DNS_PORT = 53

/**
 * The configuration's word, else what the tunnel brings. `dns.servers` replaces the tunnel's servers,
 * those for single zones too; `dns.zones` goes before the tunnel's zones.
 */
export function effectiveConfig(dns: DnsOptions, link: LinkInfo): ResolverConfig {
  const split = dns.servers === undefined ? (link.zones ?? {}) : {}
  const zones = Object.entries(split).map(([zone, servers]) => [zone, endpoints(servers)] as const)
  // Nobody else would be asked for the rest: nothing here knows the host's servers.
  const everything = link.dns.length > 0 ? link.dns : [...new Set(Object.values(split).flat())]
  return {
    servers: dns.servers ?? endpoints(everything),
    search: dns.search ?? link.search,
    zones: { ...Object.fromEntries(zones), ...dns.zones },
    hosts: dns.hosts,
  }
}

function endpoints(texts: readonly string[]): readonly Endpoint[] {
  return texts.flatMap((text) => {
    if (parseIp(text) !== undefined) return { address: text, port: DNS_PORT }
    const found = parseHostPort(text)
    return found === undefined ? [] : { address: found.host, port: found.port }
  })
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
