/** The resolver's configuration, made ready: which servers a name asks, and the configured hosts. */
import { formatIp, parseIp } from '../core/ip.js'
import type { Endpoint } from '../core/types.js'
import { DNS_SEARCH } from './limits.js'
import { parseName, reversedAddress } from './name.js'
import type { LookupType } from './query.js'
import type { Server, ServerTable } from './servers.js'

export interface ResolverConfig {
  readonly servers: readonly Endpoint[]
  readonly search: readonly string[]
  /** Zone to the servers that alone are asked for it and what is below; reverse zones too. */
  readonly zones: Readonly<Record<string, readonly Endpoint[]>>
  /** Name to addresses, also in reverse. */
  readonly hosts: Readonly<Record<string, readonly string[]>>
}

/** Names and addresses in it that can't be one are left out: config/ has reported them. */
export class View {
  readonly search: readonly string[]
  readonly #zones = new Map<string, readonly Server[]>()
  readonly #hosts = new Map<string, string[]>()
  readonly #names = new Map<string, string[]>()

  constructor(config: ResolverConfig, table: ServerTable) {
    const names = config.search.map((domain) => parseName(domain)?.name)
    this.search = names.filter((name) => name !== undefined).slice(0, DNS_SEARCH)
    this.#zones.set('', table.take(config.servers))
    for (const [zone, servers] of Object.entries(config.zones)) {
      const parsed = parseName(zone)
      if (parsed !== undefined) this.#zones.set(parsed.name, table.take(servers))
    }
    for (const [host, addresses] of Object.entries(config.hosts)) {
      const parsed = parseName(host)
      if (parsed !== undefined) this.#addHost(parsed.name, addresses)
    }
  }

  /** Servers of the longest zone that the name is in. */
  serversFor(name: string): readonly Server[] {
    for (let zone = name; ; ) {
      const servers = this.#zones.get(zone)
      if (servers !== undefined) return servers
      const dot = zone.indexOf('.')
      zone = dot < 0 ? '' : zone.slice(dot + 1)
    }
  }

  /** What the configured hosts say; undefined when they do not know the name, [] when it has no such record. */
  hosts(name: string, type: LookupType): readonly string[] | undefined {
    if (type === 'PTR') {
      const address = reversedAddress(name)
      return address === undefined ? undefined : this.#names.get(address)
    }
    return this.#hosts.get(name)?.filter((address) => address.includes(':') === (type === 'AAAA'))
  }

  #addHost(name: string, addresses: readonly string[]): void {
    const known = this.#hosts.get(name) ?? []
    this.#hosts.set(name, known)
    for (const text of addresses) {
      const ip = parseIp(text)
      if (ip === undefined) continue
      const address = formatIp(ip)
      known.push(address)
      this.#names.set(address, [...(this.#names.get(address) ?? []), name])
    }
  }
}
