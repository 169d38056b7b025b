/** [ipv4] and [ipv6] of a keyfile in OpenVPN's words: DNS, routes, and what a server may push. */
import { formatIp, parseIp, parsePrefix } from '../../core/ip.js'
import { domainName } from '../address.js'
import type { Directive } from '../directive.js'
import { quote } from '../problem.js'
import { isYes, type KeyfileEntry, listOf, noted, type OvpnSource } from './keyfile-lines.js'

export interface NetworkLines {
  readonly lines: readonly OvpnSource[]
  readonly directives: readonly Directive[]
}

type Outcome =
  | readonly (readonly string[])[]
  | { readonly ignored: string }
  | { readonly refused: string }

const OWN = "NetworkManager's own"
const FROM_SERVER = 'addresses come from the server'
const HOST = "nothing changes in the host's routing; inside, the environment has its own route"

/** `family`: which of the two sections the entries are of. */
export function networkLines(entries: readonly KeyfileEntry[], family: 4 | 6): NetworkLines {
  const lines: OvpnSource[] = []
  const directives: Directive[] = []
  for (const from of entries) {
    const outcome = translate(from, family)
    if ('ignored' in outcome) directives.push(noted(from, 'ignored', outcome.ignored))
    else if ('refused' in outcome) directives.push(noted(from, 'refused', outcome.refused))
    else if (outcome.length === 0) directives.push(noted(from, 'honoured'))
    else lines.push(...outcome.map((words) => ({ words, from: [from] })))
  }
  return { lines, directives }
}

function translate({ key, value }: KeyfileEntry, family: 4 | 6): Outcome {
  if (key === 'method') return value === 'auto' ? [] : { ignored: FROM_SERVER }
  if (key === 'dns') return servers(value)
  if (key === 'dns-search') return searches(value)
  if (/^routes?\d*$/.test(key)) return route(value, family)
  if (/^address(es)?\d*$/.test(key)) return { ignored: FROM_SERVER }
  if (key === 'never-default') return unless(isYes(value), ['redirect-gateway'])
  if (key === 'ignore-auto-routes') {
    return unless(isYes(value), [family === 4 ? 'route ' : 'route-ipv6 '])
  }
  if (key === 'ignore-auto-dns') return unless(isYes(value), ['dhcp-option DNS', 'dns server'])
  return /^(route|gateway)/.test(key) ? { ignored: HOST } : { ignored: OWN }
}

function unless(wanted: boolean, prefixes: readonly string[]): Outcome {
  return wanted ? prefixes.map((prefix) => ['pull-filter', 'ignore', prefix]) : []
}

function servers(value: string): Outcome {
  const items = listOf(value)
  const odd = items.find((item) => parseIp(item) === undefined)
  if (odd !== undefined) return { refused: `${quote(odd)} is not an IP address` }
  return items.map((item) => ['dhcp-option', 'DNS', item])
}

/** `~example` sends questions there and is never appended; here all questions go inside. */
function searches(value: string): Outcome {
  const items = listOf(value).filter((item) => !item.startsWith('~'))
  const odd = items.find((item) => domainName(item) === undefined)
  if (odd !== undefined) return { refused: `${quote(odd)} is not a domain` }
  return items.map((item) => ['dhcp-option', 'DOMAIN-SEARCH', item])
}

/** `10.0.0.0/8,GATEWAY,METRIC`: inside of the tunnel there is one way, so that only the network counts. */
function route(value: string, family: 4 | 6): Outcome {
  const [network = ''] = value.split(/[,;]/, 1)
  const prefix = parsePrefix(network.trim())
  if (prefix === undefined || (prefix.address.length === 4) !== (family === 4)) {
    return { refused: `${quote(network)} is not a network of IPv${family}` }
  }
  if (family === 6) return [['route-ipv6', network.trim()]]
  const mask = Uint8Array.from({ length: 4 }, (_, i) => {
    const bits = Math.min(8, Math.max(0, prefix.bits - i * 8))
    return 256 - 2 ** (8 - bits)
  })
  return [['route', formatIp(prefix.address), formatIp(mask)]]
}
