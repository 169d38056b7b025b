/**
 * Domain names as text: lower case, without the dot at the end, the root being ''. Bytes other than
 * printable ASCII, and dots inside a label, are written `\DDD` (RFC 4343 section 2.1), so that two
 * names are equal exactly when their texts are.
 */
import { formatIp, parseIpv4, parseIpv6 } from '../core/ip.js'
import type { Bytes } from '../core/types.js'

/** Longest name in text form (RFC 1035 section 2.3.4: 255 on the wire). */
const NAME_LENGTH = 253
const LABEL_LENGTH = 63

/**
 * The canonical form of a name that a person or program wrote, `absolute` when it ended with a dot.
 * Undefined when it cannot be asked for: empty, too long, an empty label, or bytes other than
 * printable ASCII. Letters, digits, hyphens are not insisted on: underscores and the like are in use.
 */
export function parseName(text: string): { name: string; absolute: boolean } | undefined {
  const absolute = text.endsWith('.')
  const name = (absolute ? text.slice(0, -1) : text).toLowerCase()
  if (!validName(name)) return undefined
  return { name, absolute }
}

/** Can this canonical name be put into a question as it stands? (One with `\` came from the wire and can't.) */
export function validName(name: string): boolean {
  if (name.length === 0 || name.length > NAME_LENGTH) return false
  if (!/^[!-[\]-~]+$/.test(name)) return false
  return name.split('.').every((label) => label.length > 0 && label.length <= LABEL_LENGTH)
}

/** Each byte of a label in canonical form. */
const BYTES: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  if (byte <= 0x20 || byte >= 0x7f || byte === 0x2e || byte === 0x5c) {
    return `\\${String(byte).padStart(3, '0')}`
  }
  return String.fromCharCode(byte).toLowerCase()
})

/** One byte of a label in canonical form. */
export function nameByte(byte: number): string {
  return BYTES[byte] as string
}

/** Is `name` the zone or below it? Every name is below the root ''. */
export function inZone(name: string, zone: string): boolean {
  return zone === '' || name === zone || name.endsWith(`.${zone}`)
}

/** `localhost` and what is below it never leaves the machine (RFC 6761 section 6.3). */
export function isLocalhost(name: string): boolean {
  return inZone(name, 'localhost')
}

/**
 * The names to try for one that was asked for, in glibc's order with `ndots:1`: with a dot at the end
 * only itself; with a dot inside first itself, then the search list; without one the search list first.
 */
export function candidates(name: string, absolute: boolean, search: readonly string[]): string[] {
  if (absolute) return [name]
  const searched = search.map((domain) => `${name}.${domain}`).filter(validName)
  return name.includes('.') ? [name, ...searched] : [...searched, name]
}

/** The name whose PTR record names an address (4 or 16 bytes; RFC 1035 section 3.5, RFC 3596 section 2.5). */
export function reverseName(address: Bytes): string {
  if (address.length === 4) return `${[...address].reverse().join('.')}.in-addr.arpa`
  const nibbles: string[] = []
  for (const byte of address) nibbles.unshift((byte & 15).toString(16), (byte >>> 4).toString(16))
  return `${nibbles.join('.')}.ip6.arpa`
}

/** The address (canonical text) that a reverse name stands for, or undefined when it is none. */
export function reversedAddress(name: string): string | undefined {
  const labels = name.split('.').reverse()
  if (labels[0] !== 'arpa') return undefined
  if (labels[1] === 'in-addr' && labels.length === 6) {
    const address = parseIpv4(labels.slice(2).join('.'))
    return address && formatIp(address)
  }
  const nibbles = labels.slice(2)
  if (labels[1] !== 'ip6' || nibbles.length !== 32) return undefined
  if (!nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return undefined
  const groups = (nibbles.join('').match(/.{4}/g) ?? []).join(':')
  const address = parseIpv6(groups)
  return address && formatIp(address)
}
