/** PUSH_REPLY: the options that a server gives its clients, read one by one. Nothing here is trusted. */
import {
  formatHostPort,
  maskBits,
  parseHostPort,
  parseIp,
  parseIpv4,
  parseIpv6,
} from '../../core/ip.js'
import { optionWords } from '../../core/option-words.js'
import { isDomainName, isHostAddress, LeftOut } from '../../core/server-values.js'
import type { Bytes, Millis } from '../../core/types.js'
import type { CompressionStub } from './compression-stub.js'
import {
  OVPN_DNS_ADDRESSES,
  OVPN_DNS_DOMAINS,
  OVPN_DNS_SERVERS,
  OVPN_PUSHED_OPTIONS,
  OVPN_ROUTES,
} from './limits.js'

export type Topology = 'net30' | 'p2p' | 'subnet'

/** A network and where it leads: into the tunnel, or past it (`net_gateway`). */
export interface Route {
  readonly address: Bytes
  readonly bits: number
  readonly inside: boolean
}

/** One `dns server N`. */
export interface DnsServer {
  /** IP literals, with their port where it is not 53. */
  addresses: readonly string[]
  /** `resolve-domains`: it is for these alone. */
  domains: readonly string[]
  /** Plain DNS; DoH and DoT are not there. */
  plain: boolean
}

/** Which of a push is taken: the configuration's `route-nopull` and `pull-filter`. */
export interface PullRules {
  readonly routeNoPull: boolean
  readonly filters: readonly {
    readonly action: 'accept' | 'ignore' | 'reject'
    readonly prefix: string
  }[]
}

/** What a push (or the file itself, for the same directives) says. */
export class PushedOptions {
  topology: Topology | undefined
  ifconfig: { readonly local: Bytes; readonly second: Bytes } | undefined
  ifconfigIpv6: { readonly local: Bytes; readonly bits: number } | undefined
  readonly routes: Route[] = []
  /** Everything of a family goes into the tunnel. */
  redirect4 = false
  redirect6 = false
  readonly dns: string[] = []
  readonly search: string[] = []
  /** Of `dns server`, by priority, which replaces `dhcp-option DNS`. */
  readonly dnsServers = new Map<number, DnsServer>()
  readonly dnsSearch: string[] = []
  peerId: number | undefined
  cipher: string | undefined
  exporterKeys = false
  farewellByControl = false
  dynamicTlsCrypt = false
  tunMtu: number | undefined
  mssfix: number | undefined
  /** Milliseconds; 0 is off. */
  ping: Millis | undefined
  pingRestart: Millis | undefined
  explicitExitNotify = false
  stub: CompressionStub = 'none'
  authToken: string | undefined
  authTokenUser: string | undefined
  renegotiate: Millis | undefined
  /** A compression method that would have to be used. */
  compression: string | undefined
  /** The `reject` filter that met, or another reason not to go on. */
  rejected: string | undefined
  /** Options that mean nothing here, by name; bounded. */
  readonly ignored = new Set<string>()
  routesLeftOut = 0
  /** Addresses and names that can't be; not taken. */
  readonly leftOut = new LeftOut()
  #count = 0

  /** Reads one message's options (`PUSH_REPLY,` taken off). False: more options than a push may have. */
  readMessage(options: string, rules: PullRules): boolean {
    for (const option of options.split(',')) {
      if (++this.#count > OVPN_PUSHED_OPTIONS) return false
      const line = option.trim()
      if (line !== '') this.#filtered(line, rules)
    }
    return true
  }

  #filtered(line: string, rules: PullRules): void {
    const filter = rules.filters.find(({ prefix }) => line.startsWith(prefix))
    if (filter?.action === 'ignore') return
    if (filter?.action === 'reject') {
      this.rejected = `the server pushes "${filter.prefix}", which the file's pull-filter rejects`
      return
    }
    const words = optionWords(line)
    if (words === undefined || words.length === 0) return
    const name = words[0] as string
    if (rules.routeNoPull && ROUTING.has(name)) return
    this.read(name, words.slice(1))
  }

  /** One option with its arguments; a malformed one is ignored. */
  read(name: string, args: readonly string[]): void {
    const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined
    if (reader !== undefined) reader(this, args)
    else if (this.ignored.size < 64) this.ignored.add(name)
  }

  /** The one of this priority; there may be as many as there are numbers. */
  dnsServer(priority: number): DnsServer {
    const server = this.dnsServers.get(priority) ?? { addresses: [], domains: [], plain: true }
    if (this.dnsServers.size < OVPN_DNS_SERVERS) this.dnsServers.set(priority, server)
    return server
  }

  addRoute(route: Route): void {
    if (this.routes.length >= OVPN_ROUTES) this.routesLeftOut++
    else this.routes.push(route)
  }
}

const ROUTING: ReadonlySet<string> = new Set([
  'route',
  'route-ipv6',
  'redirect-gateway',
  'redirect-private',
  'dhcp-option',
  'dns',
])

type Reader = (into: PushedOptions, args: readonly string[]) => void

const SECOND = 1000

const READERS: Readonly<Record<string, Reader>> = {
  topology: (into, [word]) => {
    if (word === 'net30' || word === 'p2p' || word === 'subnet') into.topology = word
  },
  ifconfig: (into, [first = '', second = '']) => {
    const [local, other] = [parseIpv4(first), parseIpv4(second)]
    if (local === undefined || other === undefined) return
    if (isHostAddress(local)) into.ifconfig = { local, second: other }
    else into.leftOut.note('tunnel address', first)
  },
  'ifconfig-ipv6': (into, [first = '']) => {
    const prefix = ipv6Prefix(first)
    if (prefix === undefined) return
    if (isHostAddress(prefix.address)) {
      into.ifconfigIpv6 = { local: prefix.address, bits: prefix.bits }
    } else into.leftOut.note('tunnel address', first)
  },
  route: (into, [network = '', mask = '', gateway]) => {
    const address = parseIpv4(network)
    const bits = mask === '' || mask === 'default' ? 32 : maskBits(parseIpv4(mask))
    if (address === undefined || bits === undefined) return
    into.addRoute({ address, bits, inside: gateway !== 'net_gateway' })
  },
  'route-ipv6': (into, [network = '', gateway]) => {
    const prefix = ipv6Prefix(network)
    if (prefix !== undefined) into.addRoute({ ...prefix, inside: gateway !== 'net_gateway' })
  },
  'redirect-gateway': (into, flags) => {
    into.redirect4 = !flags.includes('!ipv4')
    into.redirect6 = flags.includes('ipv6')
  },
  'dhcp-option': (into, [kind = '', value = '']) => {
    if (kind === 'DNS' || kind === 'DNS6') {
      if (isServer(into, value)) into.dns.push(value)
    } else if (kind === 'DOMAIN' || kind === 'DOMAIN-SEARCH' || kind === 'ADAPTER_DOMAIN_SUFFIX') {
      if (isDomain(into)(value)) into.search.push(value.toLowerCase())
    }
  },
  dns: (into, [what, first = '', verb, ...rest]) => {
    if (what === 'search-domains') {
      const domains = [first, verb ?? '', ...rest].filter(isDomain(into))
      into.dnsSearch.push(...domains.slice(0, OVPN_DNS_DOMAINS - into.dnsSearch.length))
    } else if (what === 'server' && /^-?\d{1,3}$/.test(first)) {
      const server = into.dnsServer(Number(first))
      if (verb === 'address') {
        const addresses = rest
          .map(dnsAddress)
          .filter((text) => text !== undefined && isServer(into, text)) as string[]
        server.addresses = addresses.slice(0, OVPN_DNS_ADDRESSES)
      } else if (verb === 'resolve-domains') {
        const domains = [...server.domains, ...rest.filter(isDomain(into))]
        server.domains = domains.slice(0, OVPN_DNS_DOMAINS)
      } else if (verb === 'transport') server.plain = rest[0] === 'plain'
    }
  },
  'peer-id': (into, [text]) => {
    const id = integer(text)
    if (id !== undefined && id <= 0xffffff) into.peerId = id
  },
  cipher: (into, [name]) => {
    into.cipher = name
  },
  'key-derivation': (into, [how]) => {
    into.exporterKeys ||= how === 'tls-ekm'
  },
  'protocol-flags': (into, flags) => {
    into.exporterKeys ||= flags.includes('tls-ekm')
    into.farewellByControl ||= flags.includes('cc-exit')
    into.dynamicTlsCrypt ||= flags.includes('dyn-tls-crypt')
  },
  'tun-mtu': (into, [text]) => {
    const mtu = integer(text)
    if (mtu !== undefined && mtu >= 576 && mtu <= 65_535) into.tunMtu = mtu
  },
  mssfix: (into, [text]) => {
    const size = integer(text)
    if (size !== undefined && (size === 0 || (size >= 576 && size <= 65_535))) into.mssfix = size
  },
  ping: (into, [text]) => {
    into.ping = seconds(text) ?? into.ping
  },
  'ping-restart': (into, [text]) => {
    into.pingRestart = seconds(text) ?? into.pingRestart
  },
  'ping-exit': (into, [text]) => {
    into.pingRestart = seconds(text) ?? into.pingRestart
  },
  'explicit-exit-notify': (into, [text]) => {
    into.explicitExitNotify = text !== '0'
  },
  'comp-lzo': (into, [mode]) => {
    if (mode === 'no') into.stub = 'lzo'
    else into.compression = 'lzo'
  },
  compress: (into, [algorithm]) => {
    if (algorithm === undefined || algorithm === 'stub') into.stub = 'swap'
    else if (algorithm === 'stub-v2') into.stub = 'v2'
    else if (algorithm !== 'migrate') into.compression = algorithm
  },
  'auth-token': (into, [token]) => {
    into.authToken = token
  },
  'auth-token-user': (into, [user = '']) => {
    into.authTokenUser = base64Text(user)
  },
  'reneg-sec': (into, [text]) => {
    into.renegotiate = seconds(text) ?? into.renegotiate
  },
}

function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

function seconds(text: string | undefined): Millis | undefined {
  const value = integer(text)
  return value === undefined ? undefined : value * SECOND
}

function ipv6Prefix(text: string): { address: Bytes; bits: number } | undefined {
  const [ip = '', length = '128'] = text.split('/')
  const address = parseIpv6(ip)
  const bits = integer(length)
  return address === undefined || bits === undefined || bits > 128 ? undefined : { address, bits }
}

function isDomain({ leftOut }: PushedOptions): (text: string) => boolean {
  return (text) => text !== '' && (isDomainName(text) || leftOut.note('domain', text))
}

/** Of an address, or one with its port. */
function isServer({ leftOut }: PushedOptions, text: string): boolean {
  const address = parseIp(text) ?? parseIp(parseHostPort(text)?.host ?? '')
  if (address === undefined) return false
  return isHostAddress(address) || leftOut.note('DNS server', text)
}

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`; port 53 is left out. Undefined: none of them. */
function dnsAddress(text: string): string | undefined {
  const bare = /^\[([^\]]*)\]$/.exec(text)?.[1] ?? text
  if (parseIp(bare) !== undefined) return bare
  const found = parseHostPort(text)
  if (found === undefined || found.port === 0 || parseIp(found.host) === undefined) return undefined
  return found.port === 53 ? found.host : formatHostPort(found.host, found.port)
}

/** Text in base64; empty when it is none. */
function base64Text(text: string): string {
  const digits = text.replace(/={1,2}$/, '')
  if (!/^[A-Za-z0-9+/]*$/.test(digits) || digits.length % 4 === 1) return ''
  return new TextDecoder().decode(Uint8Array.from(atob(digits), (c) => c.charCodeAt(0)))
}
