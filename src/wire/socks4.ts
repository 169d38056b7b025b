/** SOCKS4 and its extension 4a, where the name is resolved by the proxy. Incremental, like socks5.ts. */
import { set16, u8, u16 } from '../core/bytes.js'
import { formatIp, parseIpv4 } from '../core/ip.js'
import type { Bytes, Endpoint, Target } from '../core/types.js'
import type { Parsed } from './parsed.js'

export const SOCKS4_VERSION = 4

export const SOCKS4_CONNECT = 1
export const SOCKS4_BIND = 2

export const SOCKS4_GRANTED = 90
export const SOCKS4_REJECTED = 91
/** Rejected because the user could not be identified: our answer where a password would be needed. */
export const SOCKS4_UNIDENTIFIED = 93

/** Longest user id and longest name, in bytes; longer ones are refused. */
export const SOCKS4_MAX_FIELD = 255

export interface Socks4Request {
  readonly command: number
  readonly target: Target
}

export function parseSocks4Request(bytes: Bytes): Parsed<Socks4Request> {
  if (bytes.length < 9) return undefined
  if (u8(bytes, 0) !== SOCKS4_VERSION) return { kind: 'invalid', reason: 'not SOCKS4' }
  const userEnd = fieldEnd(bytes, 8)
  if (typeof userEnd !== 'number') return userEnd
  const command = u8(bytes, 1)
  const port = u16(bytes, 2)
  const ip = bytes.subarray(4, 8)
  // 0.0.0.x with x other than 0 is never a destination: 4a marks with it that a name follows.
  if (u16(ip, 0) !== 0 || u8(ip, 2) !== 0 || u8(ip, 3) === 0) {
    return {
      kind: 'done',
      value: { command, target: { host: formatIp(ip), port } },
      length: userEnd + 1,
    }
  }
  const nameEnd = fieldEnd(bytes, userEnd + 1)
  if (typeof nameEnd !== 'number') return nameEnd
  const host = String.fromCharCode(...bytes.subarray(userEnd + 1, nameEnd))
  return { kind: 'done', value: { command, target: { host, port } }, length: nameEnd + 1 }
}

/** `bound` is told where it is IPv4; 0.0.0.0 otherwise. */
export function encodeSocks4Reply(code: number, bound?: Endpoint): Bytes {
  const out = new Uint8Array(8)
  out[1] = code
  set16(out, 2, bound?.port ?? 0)
  const ip = bound === undefined ? undefined : parseIpv4(bound.address)
  if (ip !== undefined) out.set(ip, 4)
  return out
}

/** Where the NUL stands that ends the field which starts at `from`. */
function fieldEnd(
  bytes: Bytes,
  from: number,
): number | Extract<Parsed<never>, { reason: string }> | undefined {
  const end = bytes.indexOf(0, from)
  if ((end < 0 ? bytes.length : end) - from > SOCKS4_MAX_FIELD) {
    return { kind: 'invalid', reason: 'field too long' }
  }
  return end < 0 ? undefined : end
}
