/** Addresses, names and ports as the file writes them. Every function reports why a text does not do. */
import { resolve } from 'node:path'
import { formatIp, parseHostPort, parseIp, parsePrefix } from '../core/ip.js'
import { isLoopback } from '../core/listen-address.js'
import type { ListenAddress } from '../core/options.js'
import type { Endpoint, Target } from '../core/types.js'
import { MAX_SOCKET_PATH_BYTES } from './limits.js'
import { quote } from './problem.js'
import type { Complain } from './spec.js'

/** Canonical text of an IP literal. */
export function parseAddress(text: string, complain: Complain): string | undefined {
  const ip = parseIp(text)
  return ip === undefined ? complain(`${quote(text)} is not an IP address`) : formatIp(ip)
}

/** Canonical `address/bits`; host bits stay. */
export function parseInterfaceAddress(text: string, complain: Complain): string | undefined {
  const prefix = parsePrefix(text)
  if (prefix === undefined) return complain(`${quote(text)} is not an address with prefix length`)
  return `${formatIp(prefix.address)}/${prefix.bits}`
}

/** Canonical `network/bits`; host bits are cleared. */
export function parseNetwork(text: string, complain: Complain): string | undefined {
  const prefix = parsePrefix(text)
  if (prefix === undefined) return complain(`${quote(text)} is not a network like 10.20.0.0/16`)
  const network = prefix.address.map((byte, i) => {
    const kept = Math.min(8, Math.max(0, prefix.bits - 8 * i))
    return byte & (0xff00 >> kept)
  })
  return `${formatIp(network)}/${prefix.bits}`
}

/** A domain name (letters, digits, `-`, `_`; RFC 1123 lengths) in lower case without the last dot; undefined when it is none. */
export function domainName(text: string): string | undefined {
  const name = (text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase()
  if (name.length === 0 || name.length > 253) return undefined
  const good = name.split('.').every((label) => /^[a-z0-9_-]{1,63}$/.test(label))
  // Digits and dots alone are a mistyped address, never a name (RFC 1123 section 2.1).
  return good && !/^[0-9.]+$/.test(name) ? name : undefined
}

export function parseDomain(text: string, complain: Complain): string | undefined {
  return domainName(text) ?? complain(`${quote(text)} is not a domain name`)
}

/** `HOST:PORT` with a name or an IP literal and a port from 1. */
export function parseTarget(text: string, complain: Complain): Target | undefined {
  const parts = parseHostPort(text)
  if (parts === undefined || parts.port === 0) {
    return complain(`${quote(text)} is not HOST:PORT with a port from 1 to 65535`)
  }
  const ip = parseIp(parts.host)
  const host = ip === undefined ? domainName(parts.host) : formatIp(ip)
  if (host === undefined) return complain(`${quote(parts.host)} is not a host name or IP address`)
  return { host, port: parts.port }
}

/** A DNS server: an IP literal, or with another port than 53 `ADDRESS:PORT`. */
export function parseServer(text: string, complain: Complain): Endpoint | undefined {
  const bare = parseIp(text)
  if (bare !== undefined) return { address: formatIp(bare), port: 53 }
  const parts = parseHostPort(text)
  const ip = parts === undefined ? undefined : parseIp(parts.host)
  if (parts === undefined || ip === undefined || parts.port === 0) {
    return complain(`${quote(text)} is not the address of a DNS server (an IP address, or IP:PORT)`)
  }
  return { address: formatIp(ip), port: parts.port }
}

/** `ADDRESS:PORT`, or `unix:PATH` relative to `folder`. Port 0 takes any free port. */
export function parseListen(
  text: string,
  folder: string,
  complain: Complain,
): ListenAddress | undefined {
  if (text.startsWith('unix:')) {
    const path = resolve(folder, text.slice(5))
    if (text.length === 5 || path.includes('\0')) return complain('unix: needs a path')
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
      return complain(`the socket's path is longer than ${MAX_SOCKET_PATH_BYTES} bytes`)
    }
    return { kind: 'unix', path }
  }
  const parts = parseHostPort(text)
  if (parts === undefined) {
    return complain(`${quote(text)} is not ADDRESS:PORT (like 127.0.0.1:1081) or unix:PATH`)
  }
  const ip = parseIp(parts.host === 'localhost' ? '127.0.0.1' : parts.host)
  if (ip === undefined) {
    return complain(`${quote(parts.host)} is not an IP address; listeners take addresses only`)
  }
  return { kind: 'tcp', address: formatIp(ip), port: parts.port }
}

/** Can only this machine reach it? */
export function isLocal(listen: ListenAddress): boolean {
  return listen.kind === 'unix' || isLoopback(listen.address)
}
