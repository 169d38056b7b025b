/**
 * Names that choose an environment by themselves: `HOST.ENV.pvpn.internal`. HOST is a name inside ENV,
 * an IPv4 address as it is written, or an IPv6 address with dashes for its colons (`fd00-11--10`).
 * `.internal` is reserved for private use, so that such a name can never belong to anybody else.
 */
import { formatIp, parseIpv6 } from '../core/ip.js'

const SUFFIX = '.pvpn.internal'

export interface InternalName {
  /** Undefined: the name is one of ours, but there is no environment or no host in it. */
  readonly environment: string | undefined
  readonly host: string
}

/** Undefined when the name (lower case, no dot at the end) is none of ours. */
export function parseInternalName(name: string): InternalName | undefined {
  if (name === SUFFIX.slice(1)) return { environment: undefined, host: '' }
  if (!name.endsWith(SUFFIX)) return undefined
  const front = name.slice(0, -SUFFIX.length)
  const dot = front.lastIndexOf('.')
  const host = front.slice(0, Math.max(dot, 0))
  if (host === '') return { environment: undefined, host: '' }
  return { environment: front.slice(dot + 1), host: undashed(host) }
}

/** The name by which a browser reaches `host` of that environment. */
export function internalName(host: string, environment: string): string {
  const label = host.includes(':') ? dashed(host) : host
  return `${label}.${environment}${SUFFIX}`
}

/** `fd00-11--10` is fd00:11::10. A name can look like that only on purpose: three dashes or more, or two in a row. */
function undashed(host: string): string {
  if (!/^[0-9a-f-]+$/.test(host)) return host
  const bytes = parseIpv6(host.replaceAll('-', ':'))
  return bytes === undefined ? host : formatIp(bytes)
}

function dashed(address: string): string {
  const text = address.replaceAll(':', '-')
  // A label neither begins nor ends with a dash.
  return text.replace(/^-/, '0-').replace(/-$/, '-0')
}
