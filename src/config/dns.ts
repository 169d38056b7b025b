/** An environment's `dns:` section. */
import type { DnsOptions } from '../core/options.js'
import { domainName, parseAddress, parseDomain, parseServer } from './address.js'
import type { Claim } from './claims.js'
import { type Context, listenSpec } from './context.js'
import { quote } from './problem.js'
import { about, type Complain, located, mapOf, object, oneOrList, text } from './spec.js'

function zoneName(name: string, complain: Complain): string | undefined {
  const trimmed = name.startsWith('.') ? name.slice(1) : name
  return domainName(trimmed) ?? complain(`${quote(name)} is not a domain name`)
}

export function dnsSpec(context: Context) {
  const servers = oneOrList(text('an IP address or IP:PORT', parseServer))
  const addresses = oneOrList(text('an IP address', parseAddress))
  return object({
    servers: about('Asked through the tunnel; default: what the tunnel brings', servers),
    search: about(
      'Domains to try behind short names',
      oneOrList(text('a domain name', parseDomain)),
    ),
    zones: about('Names in these zones ask those servers, inside too', mapOf(zoneName, servers)),
    hosts: about('Names with fixed addresses', mapOf(parseDomain, addresses)),
    listen: about(
      'DNS server for tools that want one',
      oneOrList(located(listenSpec(context.folder))),
    ),
  })
}

export type DnsFields = NonNullable<ReturnType<ReturnType<typeof dnsSpec>['read']>>

/** The section's options; its listeners are added to `claims`. */
export function readDns(fields: DnsFields | undefined, owner: string, claims: Claim[]): DnsOptions {
  const { servers, search, zones, hosts, listen = [] } = fields?.values ?? {}
  for (const { value, place } of listen) {
    for (const protocol of ['udp', 'tcp'] as const) {
      // A Unix socket carries no datagrams of DNS.
      if (value.kind === 'unix' && protocol === 'udp') continue
      claims.push({ listen: value, protocol, owner: `${owner}.dns.listen`, place })
    }
  }
  return {
    servers,
    search,
    zones: Object.fromEntries([...(zones ?? [])].map(([zone, entry]) => [zone, entry.value])),
    hosts: Object.fromEntries([...(hosts ?? [])].map(([name, entry]) => [name, entry.value])),
    listen: listen.map(({ value }) => value),
  }
}
