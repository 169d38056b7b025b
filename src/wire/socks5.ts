/**
 * SOCKS5 (RFC 1928), its user/password method (RFC 1929) and Tor's RESOLVE and RESOLVE_PTR commands
 * (socks-extensions.txt). Parsers are incremental: given the bytes so far they answer `undefined`
 * while more are wanted. The longest message is 513 bytes, so parsing again from the start is cheap.
 */
import { set16, u8, u16 } from '../core/bytes.js'
import { formatIp, parseIp } from '../core/ip.js'
import type { Bytes, Endpoint, Target } from '../core/types.js'
import type { Parsed } from './parsed.js'

export const SOCKS5_VERSION = 5

export const METHOD_NONE = 0x00
export const METHOD_PASSWORD = 0x02
export const METHOD_UNACCEPTABLE = 0xff

export const COMMAND_CONNECT = 0x01
export const COMMAND_BIND = 0x02
export const COMMAND_UDP_ASSOCIATE = 0x03
export const COMMAND_RESOLVE = 0xf0
export const COMMAND_RESOLVE_PTR = 0xf1

export const REPLY_SUCCEEDED = 0x00
export const REPLY_FAILURE = 0x01
export const REPLY_NOT_ALLOWED = 0x02
export const REPLY_NETWORK_UNREACHABLE = 0x03
export const REPLY_HOST_UNREACHABLE = 0x04
export const REPLY_REFUSED = 0x05
export const REPLY_TTL_EXPIRED = 0x06
export const REPLY_COMMAND_UNSUPPORTED = 0x07
export const REPLY_ADDRESS_UNSUPPORTED = 0x08

const ADDRESS_IPV4 = 1
const ADDRESS_NAME = 3
const ADDRESS_IPV6 = 4

export interface Socks5Request {
  readonly command: number
  /** Undefined when the address type is unknown (its length is too: nothing more can be read). */
  readonly target: Target | undefined
}

export interface Socks5Credentials {
  readonly name: Bytes
  readonly password: Bytes
}

/** RFC 1928 section 3: the methods that the client offers. */
export function parseSocks5Greeting(bytes: Bytes): Parsed<Bytes> {
  if (bytes.length < 2) return undefined
  if (u8(bytes, 0) !== SOCKS5_VERSION) return { kind: 'invalid', reason: 'not SOCKS5' }
  const length = 2 + u8(bytes, 1)
  if (bytes.length < length) return undefined
  return { kind: 'done', value: bytes.slice(2, length), length }
}

export function encodeSocks5Method(method: number): Bytes {
  return new Uint8Array([SOCKS5_VERSION, method])
}

/** RFC 1929 section 2. */
export function parseSocks5Credentials(bytes: Bytes): Parsed<Socks5Credentials> {
  if (bytes.length < 2) return undefined
  if (u8(bytes, 0) !== 1) return { kind: 'invalid', reason: 'unknown version of user/password' }
  const passwordAt = 3 + u8(bytes, 1)
  if (bytes.length < passwordAt) return undefined
  const length = passwordAt + u8(bytes, passwordAt - 1)
  if (bytes.length < length) return undefined
  return {
    kind: 'done',
    value: { name: bytes.slice(2, passwordAt - 1), password: bytes.slice(passwordAt, length) },
    length,
  }
}

/** RFC 1929 section 2: 00 is success, anything else failure. */
export function encodeSocks5CredentialsReply(accepted: boolean): Bytes {
  return new Uint8Array([1, accepted ? 0 : 1])
}

/** RFC 1928 section 4. The reserved octet is not looked at: some clients leave rubbish in it. */
export function parseSocks5Request(bytes: Bytes): Parsed<Socks5Request> {
  if (bytes.length < 4) return undefined
  if (u8(bytes, 0) !== SOCKS5_VERSION) return { kind: 'invalid', reason: 'not a SOCKS5 request' }
  const command = u8(bytes, 1)
  const address = parseAddress(bytes, 3)
  if (address === undefined) return undefined
  if (address === 'unknown')
    return { kind: 'done', value: { command, target: undefined }, length: 4 }
  return { kind: 'done', value: { command, target: address.target }, length: address.end }
}

/** RFC 1928 section 6. `bound` may be a name (for RESOLVE_PTR); undefined is 0.0.0.0:0. */
export function encodeSocks5Reply(code: number, bound?: Endpoint): Bytes {
  const out = new Uint8Array(3 + addressSize(bound))
  out[0] = SOCKS5_VERSION
  out[1] = code
  writeAddress(out, 3, bound)
  return out
}

export interface Socks5Datagram {
  readonly fragment: number
  readonly target: Target
  /** Where the payload starts. */
  readonly payloadAt: number
}

/** RFC 1928 section 7: the header before each datagram; undefined when it is broken. */
export function parseSocks5Datagram(bytes: Bytes): Socks5Datagram | undefined {
  if (bytes.length < 4 || u16(bytes, 0) !== 0) return undefined
  const address = parseAddress(bytes, 3)
  if (address === undefined || address === 'unknown') return undefined
  return { fragment: u8(bytes, 2), target: address.target, payloadAt: address.end }
}

/** A datagram for the client, with its header. */
export function encodeSocks5Datagram(from: Endpoint, payload: Bytes): Bytes {
  const at = 3 + addressSize(from)
  const out = new Uint8Array(at + payload.length)
  writeAddress(out, 3, from)
  out.set(payload, at)
  return out
}

function parseAddress(
  bytes: Bytes,
  at: number,
): { target: Target; end: number } | 'unknown' | undefined {
  const type = u8(bytes, at)
  if (type !== ADDRESS_IPV4 && type !== ADDRESS_NAME && type !== ADDRESS_IPV6) return 'unknown'
  if (bytes.length < at + 2) return undefined
  const from = type === ADDRESS_NAME ? at + 2 : at + 1
  const to = from + (type === ADDRESS_IPV4 ? 4 : type === ADDRESS_IPV6 ? 16 : u8(bytes, at + 1))
  if (bytes.length < to + 2) return undefined
  const field = bytes.subarray(from, to)
  const host = type === ADDRESS_NAME ? String.fromCharCode(...field) : formatIp(field)
  return { target: { host, port: u16(bytes, to) }, end: to + 2 }
}

function addressSize(endpoint: Endpoint | undefined): number {
  if (endpoint === undefined) return 7
  const ip = parseIp(endpoint.address)
  return 3 + (ip === undefined ? 1 + Math.min(endpoint.address.length, 255) : ip.length)
}

function writeAddress(out: Bytes, at: number, endpoint: Endpoint | undefined): void {
  const ip = endpoint === undefined ? new Uint8Array(4) : parseIp(endpoint.address)
  let end = at + 1
  if (ip === undefined) {
    const name = (endpoint?.address ?? '').slice(0, 255)
    out[at] = ADDRESS_NAME
    out[end++] = name.length
    for (let i = 0; i < name.length; i++) out[end++] = name.charCodeAt(i)
  } else {
    out[at] = ip.length === 4 ? ADDRESS_IPV4 : ADDRESS_IPV6
    out.set(ip, end)
    end += ip.length
  }
  set16(out, end, endpoint?.port ?? 0)
}

/** RFC 1928 section 3, the client's side: the methods that it offers. */
export function encodeSocks5Greeting(methods: readonly number[]): Bytes {
  return new Uint8Array([SOCKS5_VERSION, methods.length, ...methods])
}

/** RFC 1928 section 3: the method that the server has chosen. */
export function parseSocks5Method(bytes: Bytes): Parsed<number> {
  if (bytes.length >= 1 && u8(bytes, 0) !== SOCKS5_VERSION) {
    return { kind: 'invalid', reason: 'not SOCKS5' }
  }
  if (bytes.length < 2) return undefined
  return { kind: 'done', value: u8(bytes, 1), length: 2 }
}

/** RFC 1929 section 2; name and password have 1 to 255 bytes each. */
export function encodeSocks5Credentials(name: Bytes, password: Bytes): Bytes {
  return new Uint8Array([1, name.length, ...name, password.length, ...password])
}

/** RFC 1929 section 2: was the password right? */
export function parseSocks5CredentialsReply(bytes: Bytes): Parsed<boolean> {
  if (bytes.length < 2) return undefined
  return { kind: 'done', value: u8(bytes, 1) === 0, length: 2 }
}

/** RFC 1928 section 4. A name has at most 255 bytes. */
export function encodeSocks5Request(command: number, target: Target): Bytes {
  return encodeSocks5Reply(command, { address: target.host, port: target.port })
}

export interface Socks5Answer {
  readonly code: number
  readonly bound: Target
}

/** RFC 1928 section 6, as the client reads it. Of a refusal the two first octets are enough. */
export function parseSocks5Reply(bytes: Bytes): Parsed<Socks5Answer> {
  if (bytes.length >= 1 && u8(bytes, 0) !== SOCKS5_VERSION) {
    return { kind: 'invalid', reason: 'not SOCKS5' }
  }
  if (bytes.length < 2) return undefined
  const code = u8(bytes, 1)
  const nowhere = { host: '0.0.0.0', port: 0 }
  if (code !== REPLY_SUCCEEDED) return { kind: 'done', value: { code, bound: nowhere }, length: 2 }
  if (bytes.length < 4) return undefined
  const address = parseAddress(bytes, 3)
  if (address === undefined) return undefined
  if (address === 'unknown') return { kind: 'invalid', reason: 'unknown type of address' }
  return { kind: 'done', value: { code, bound: address.target }, length: address.end }
}
