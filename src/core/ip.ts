/** IP addresses as text and bytes (4 or 16), and prefixes. Strict: no leading zeros, no zone, no IPv4 shorthand. */
import { u16 } from './bytes.js'
import type { Bytes } from './types.js'

export interface Prefix {
  readonly address: Bytes
  readonly bits: number
}

/** Bytes of an IPv4 address in dotted form, or undefined when the text is not one. */
export function parseIpv4(text: string): Bytes | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const out = new Uint8Array(4)
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined
    out[i] = Number(part)
  }
  return out
}

/** Bytes of an IPv6 address (RFC 4291 section 2.2, IPv4 tail included), or undefined. */
export function parseIpv6(text: string): Bytes | undefined {
  if (text.length > 45 || !text.includes(':')) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const groups: number[][] = []
  for (const [h, half] of halves.entries()) {
    const out: number[] = []
    const parts = half === '' ? [] : half.split(':')
    for (const [i, part] of parts.entries()) {
      const last = h === halves.length - 1 && i === parts.length - 1
      if (last && part.includes('.')) {
        const v4 = parseIpv4(part)
        if (v4 === undefined) return undefined
        out.push(u16(v4, 0), u16(v4, 2))
      } else {
        if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined
        out.push(Number.parseInt(part, 16))
      }
    }
    groups.push(out)
  }
  const [head = [], tail] = groups
  const missing = 8 - head.length - (tail?.length ?? 0)
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const all = [...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])]
  const out = new Uint8Array(16)
  for (const [i, group] of all.entries()) {
    out[2 * i] = group >>> 8
    out[2 * i + 1] = group
  }
  return out
}

/** Bytes of an IP literal of either family (IPv6 also in brackets), or undefined. */
export function parseIp(text: string): Bytes | undefined {
  if (text.startsWith('[') && text.endsWith(']')) return parseIpv6(text.slice(1, -1))
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** Canonical text of 4 or 16 bytes (RFC 5952 for IPv6). */
export function formatIp(bytes: Bytes): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(u16(bytes, i))
  // IPv4-mapped addresses keep their dotted tail (RFC 5952 section 5).
  if (groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff) {
    return `::ffff:${bytes.subarray(12).join('.')}`
  }
  let best = { at: -1, length: 1 }
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (i + length < 8 && groups[i + length] === 0) length++
    if (length > best.length) best = { at: i, length }
    if (length > 0) i += length - 1
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((g) => g.toString(16))
      .join(':')
  return best.at < 0 ? hex(0, 8) : `${hex(0, best.at)}::${hex(best.at + best.length, 8)}`
}

/** `address/bits`, or an address alone for its full length; undefined when it is neither. Host bits may be set. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/')
  const address = parseIp(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const most = address.length * 8
  if (slash < 0) return { address, bits: most }
  const digits = text.slice(slash + 1)
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits) || Number(digits) > most) return undefined
  return { address, bits: Number(digits) }
}

/** Leading ones of a netmask (RFC 4632 section 3.1); undefined when it has holes. */
export function maskBits(mask: Bytes | undefined): number | undefined {
  if (mask === undefined) return undefined
  const bits = [...mask].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(bits) ? bits.lastIndexOf('1') + 1 : undefined
}

/** Is the address inside the prefix? False across families. */
export function inPrefix(address: Bytes, prefix: Prefix): boolean {
  if (address.length !== prefix.address.length) return false
  const whole = prefix.bits >> 3
  for (let i = 0; i < whole; i++) if (address[i] !== prefix.address[i]) return false
  const rest = prefix.bits & 7
  if (rest === 0) return true
  const mask = 0xff00 >> rest
  return (((address[whole] as number) ^ (prefix.address[whole] as number)) & mask & 0xff) === 0
}

/** `address:port`, with brackets around IPv6. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Splits `host:port`, `[v6]:port`; undefined when there is no valid port (0 … 65535) or no host. */
export function parseHostPort(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  if (port > 65535) return undefined
  return { host: (match[1] ?? match[2]) as string, port }
}
