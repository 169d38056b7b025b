/**
 * Socket addresses as fixed 24-byte records, so that the packet path compares and copies them
 * without making strings:
 *
 *   0       1  2      4          8                         24
 *   family  0  port   scope id   address (IPv4: first four)
 *
 * Family is 4 or 6, 0 means none. Port and scope are big-endian. IPv4-mapped IPv6 is stored as IPv4.
 */
import { equalBytes, set16, set32, u8, u16, u32 } from './bytes.js'
import { formatHostPort, formatIp, parseIp } from './ip.js'
import { ADDRESS_SIZE } from './packet-batch.js'
import type { Bytes, Endpoint } from './types.js'

export { ADDRESS_SIZE }

const MAPPED = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])

/** The record of an IP literal (4 or 16 bytes) and port. */
export function socketAddress(ip: Bytes, port: number, scope = 0): Bytes {
  const out = new Uint8Array(ADDRESS_SIZE)
  writeSocketAddress(out, 0, ip, port, scope)
  return out
}

export function writeSocketAddress(
  out: Bytes,
  at: number,
  ip: Bytes,
  port: number,
  scope = 0,
): void {
  out.fill(0, at, at + ADDRESS_SIZE)
  const v4 = ip.length === 4 ? ip : equalBytes(ip, 0, MAPPED, 0, 12) ? ip.subarray(12) : undefined
  out[at] = v4 === undefined ? 6 : 4
  set16(out, at + 2, port)
  if (v4 === undefined) set32(out, at + 4, scope)
  out.set(v4 ?? ip, at + 8)
}

/** The record of an endpoint in text form; undefined when the address is not an IP literal. */
export function parseSocketAddress(endpoint: Endpoint): Bytes | undefined {
  const ip = parseIp(endpoint.address)
  return ip === undefined ? undefined : socketAddress(ip, endpoint.port)
}

export function socketAddressIp(record: Bytes, at = 0): Bytes {
  return record.slice(at + 8, at + 8 + (u8(record, at) === 4 ? 4 : 16))
}

export function socketAddressEndpoint(
  record: Bytes,
  at = 0,
): Endpoint & { readonly scope: number } {
  return {
    address: formatIp(socketAddressIp(record, at)),
    port: u16(record, at + 2),
    scope: u32(record, at + 4),
  }
}

/** `address:port` for people. */
export function formatSocketAddress(record: Bytes, at = 0): string {
  const { address, port } = socketAddressEndpoint(record, at)
  return formatHostPort(address, port)
}

/** False: none is known. */
export function hasSocketAddress(record: Bytes, at = 0): boolean {
  return u8(record, at) !== 0
}

export function sameSocketAddress(a: Bytes, aAt: number, b: Bytes, bAt: number): boolean {
  return equalBytes(a, aAt, b, bAt, ADDRESS_SIZE)
}
