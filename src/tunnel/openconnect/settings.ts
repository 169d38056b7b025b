/** What the server gives the environment: the X-CSTP fields of its answer to CONNECT. */
import { maskBits, type Prefix, parseIp, parseIpv4 } from '../../core/ip.js'
import { isDomainName, isHostAddress, LeftOut } from '../../core/server-values.js'
import type { Bytes, Millis } from '../../core/types.js'
import { serverWords } from './failure.js'
import { OC_NAMES, OC_ROUTES } from './limits.js'

export interface SplitRoute extends Prefix {
  readonly inside: boolean
}

export interface Settings {
  readonly address4: Bytes | undefined
  /** Of the network that `address4` is in. */
  readonly bits4: number
  readonly address6: Bytes | undefined
  readonly bits6: number
  readonly dns: readonly string[]
  /** Default domains. */
  readonly search: readonly string[]
  readonly routes: readonly SplitRoute[]
  /** Largest packet inside, in bytes. */
  readonly mtu: number | undefined
  /** Silence until a probe, and until a sign of life is sent; undefined: the server does not care. */
  readonly probeAfter: Millis | undefined
  readonly keepalive: Millis | undefined
  /** The tunnel is to be made anew after this. */
  readonly rekeyAfter: Millis | undefined
  /** Words for people; empty: none. */
  readonly banner: string
  readonly compressed: boolean
  /** Addresses and names that can't be; not taken. */
  readonly leftOut: readonly string[]
}

type Fields = readonly (readonly [name: string, value: string])[]

/** What can't be understood is left out. */
export function parseSettings(fields: Fields): Settings {
  const all = (name: string) => fields.filter(([key]) => key === name).map(([, value]) => value)
  const last = (name: string) => all(name).at(-1)
  const out = new LeftOut()
  const { address4, address6, bits6 } = addresses(
    [...all('x-cstp-address'), ...all('x-cstp-address-ip6')],
    out,
  )
  const mask6 = prefixOf(last('x-cstp-netmask-ip6') ?? '')
  const network6 =
    address6 === undefined && mask6 !== undefined && !isHostAddress(mask6.address)
      ? undefined
      : mask6
  const rekey = last('x-cstp-rekey-method')?.toLowerCase()
  const encoding = last('x-cstp-content-encoding')?.toLowerCase()
  return {
    address4,
    bits4: maskBits(parseIpv4(last('x-cstp-netmask') ?? '')) ?? 32,
    address6: address6 ?? network6?.address,
    bits6: network6?.bits ?? bits6,
    dns: unique([...all('x-cstp-dns'), ...all('x-cstp-dns-ip6')].filter(isServer(out))),
    search: unique(
      all('x-cstp-default-domain')
        .flatMap((value) => value.split(/[\s,]+/))
        .filter((name) => name !== '' && (isDomainName(name) || out.note('domain', name)))
        .map((name) => name.toLowerCase()),
    ),
    routes: routes(fields),
    mtu: integer(last('x-cstp-mtu'), 65_535),
    probeAfter: time(last('x-cstp-dpd')),
    keepalive: time(last('x-cstp-keepalive')),
    rekeyAfter:
      rekey === 'new-tunnel' || rekey === 'ssl' ? time(last('x-cstp-rekey-time')) : undefined,
    banner: serverWords(all('x-cstp-banner').map(decoded).join(' ')),
    compressed: encoding !== undefined && encoding !== 'identity',
    leftOut: out.words,
  }
}

/** Older servers give both families by one name. */
function addresses(texts: readonly string[], out: LeftOut) {
  let address4: Bytes | undefined
  let found6: Prefix | undefined
  for (const text of texts) {
    const prefix = prefixOf(text)
    if (prefix !== undefined && !isHostAddress(prefix.address)) out.note('tunnel address', text)
    else if (prefix?.address.length === 4) address4 = prefix.address
    else if (prefix !== undefined) found6 = prefix
  }
  return { address4, address6: found6?.address, bits6: found6?.bits ?? 128 }
}

const ROUTE_FIELDS: Readonly<Record<string, boolean>> = {
  'x-cstp-split-include': true,
  'x-cstp-split-include-ip6': true,
  'x-cstp-split-exclude': false,
  'x-cstp-split-exclude-ip6': false,
}

function routes(fields: Fields): readonly SplitRoute[] {
  const found: SplitRoute[] = []
  for (const [name, value] of fields) {
    const inside = Object.hasOwn(ROUTE_FIELDS, name) ? ROUTE_FIELDS[name] : undefined
    const prefix = inside === undefined ? undefined : prefixOf(value)
    if (inside !== undefined && prefix !== undefined && found.length < OC_ROUTES) {
      found.push({ ...prefix, inside })
    }
  }
  return found
}

/** `ADDRESS`, `ADDRESS/BITS` or `ADDRESS/MASK`; host bits are no mistake. */
export function prefixOf(text: string): Prefix | undefined {
  const [ip = '', length] = text.trim().split('/')
  const address = parseIp(ip)
  if (address === undefined) return undefined
  const most = 8 * address.length
  if (length === undefined) return { address, bits: most }
  const bits = /^\d{1,3}$/.test(length) ? Number(length) : maskBits(parseIpv4(length))
  return bits === undefined || bits > most ? undefined : { address, bits }
}

function time(seconds: string | undefined): Millis | undefined {
  const value = integer(seconds, 31_536_000)
  return value === undefined || value === 0 ? undefined : value * 1000
}

function integer(text: string | undefined, most: number): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined
  return Number(text) > most ? undefined : Number(text)
}

function isServer(out: LeftOut): (text: string) => boolean {
  return (text) => {
    const address = parseIp(text)
    if (address === undefined) return false
    return isHostAddress(address) || out.note('DNS server', text)
  }
}

function unique(items: readonly string[]): readonly string[] {
  return [...new Set(items)].slice(0, OC_NAMES)
}

/** Banners come in percent encoding. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
