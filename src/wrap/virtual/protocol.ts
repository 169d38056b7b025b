/** The questions of native/preload/protocol.h: parsed and answered. All numbers are little-endian. */
import { constants } from 'node:os'
import type { ErrorCode } from '../../core/errors.js'
import { toPvpnError } from '../../core/errors.js'
import { formatIp, parseIp } from '../../core/ip.js'
import type { Bytes, Endpoint } from '../../core/types.js'
import { MAX_QUERY_DATA } from './limits.js'

export const KIND = {
  open: 1,
  connect: 2,
  state: 3,
  bind: 4,
  listen: 5,
  accept: 6,
  send: 7,
  disconnect: 8,
  interfaces: 9,
  setOption: 10,
  getOption: 11,
  ready: 12,
  hostPort: 13,
  /** From here on: names. */
  names: 32,
} as const

export const FLAG = { nonblocking: 1, clear: 2 } as const
export const PHASE = { fresh: 0, connecting: 1, connected: 2, listening: 3, over: 4 } as const
export type Phase = (typeof PHASE)[keyof typeof PHASE]

/** Bytes with which a program keeps a stream from being writable while its connection is opened. */
export const FILLING = 65_536
export const REQUEST_HEADER = 24
export const ADDRESS_SIZE = 24
const MAGIC = 0x314e5650
const MARKER_FAMILY = 0xffff

export interface Query {
  readonly kind: number
  readonly flags: number
  /** Of the socket that is asked about, as 16 hexadecimal digits. */
  readonly id: string
  readonly value: number
  readonly data: Bytes
  /** The descriptor that came along, which is the caller's then; once. */
  takeDescriptor(): number | undefined
}

export interface Reply {
  /** An errno of Linux; absent: 0. */
  readonly error?: number
  readonly value?: number
  readonly data?: Bytes
}

/** May throw (or reject with) an Errno or a PvpnError, which is answered as an errno. */
export type QueryHandler = (query: Query) => Reply | Promise<Reply>

/** A failure with the number that the program gets. */
export class Errno extends Error {
  readonly errno: number

  constructor(errno: number) {
    super(`errno ${errno}`)
    this.errno = errno
  }
}

export interface RequestHeader {
  readonly kind: number
  readonly flags: number
  readonly id: string
  readonly value: number
  readonly length: number
}

/** Undefined: not one of ours, or longer than it may be. `bytes` has REQUEST_HEADER bytes at least. */
export function parseRequest(bytes: Bytes): RequestHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.getUint32(20, true)
  if (view.getUint32(0, true) !== MAGIC || length > MAX_QUERY_DATA) return undefined
  return {
    kind: view.getUint16(4, true),
    flags: view.getUint16(6, true),
    id: idText(bytes, 8),
    value: view.getUint32(16, true),
    length,
  }
}

/** An id of 8 bytes at `at`, as text. */
export function idText(bytes: Bytes, at: number): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.getBigUint64(at, true).toString(16).padStart(16, '0')
}

export function encodeReply(reply: Reply): Bytes {
  const data = reply.data ?? new Uint8Array(0)
  const out = new Uint8Array(16 + data.length)
  const view = new DataView(out.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, reply.error ?? 0, true)
  view.setUint32(8, reply.value ?? 0, true)
  view.setUint32(12, data.length, true)
  out.set(data, 16)
  return out
}

/** Undefined: no address there. */
export function readAddress(bytes: Bytes, at = 0): Endpoint | undefined {
  if (bytes.length < at + ADDRESS_SIZE) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const family = view.getUint16(at, true)
  if (family !== 4 && family !== 6) return undefined
  const size = family === 4 ? 4 : 16
  return {
    address: formatIp(bytes.slice(at + 8, at + 8 + size)),
    port: view.getUint16(at + 2, true),
  }
}

/** Nothing but zeros for undefined. */
export function writeAddress(out: Bytes, at: number, endpoint: Endpoint | undefined): void {
  out.fill(0, at, at + ADDRESS_SIZE)
  const ip = endpoint === undefined ? undefined : parseIp(endpoint.address)
  if (endpoint === undefined || ip === undefined) return
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength)
  view.setUint16(at, ip.length === 4 ? 4 : 6, true)
  view.setUint16(at + 2, endpoint.port, true)
  out.set(ip, at + 8)
}

/** What stands between datagrams with addresses and bare ones. */
export function marker(): Bytes {
  const out = new Uint8Array(ADDRESS_SIZE)
  out[0] = MARKER_FAMILY & 0xff
  out[1] = MARKER_FAMILY >>> 8
  return out
}

export interface SocketState {
  readonly phase: Phase
  readonly error: number
  readonly local: Endpoint | undefined
  readonly remote: Endpoint | undefined
}

export function encodeState(state: SocketState): Bytes {
  const out = new Uint8Array(8 + 2 * ADDRESS_SIZE)
  const view = new DataView(out.buffer)
  view.setUint32(0, state.phase, true)
  view.setUint32(4, state.error, true)
  writeAddress(out, 8, state.local)
  writeAddress(out, 8 + ADDRESS_SIZE, state.remote)
  return out
}

const { errno } = constants

/** What the C library would say. */
const ERRNO: Record<ErrorCode, number> = {
  ERR_ABORTED: errno.ECONNABORTED,
  ERR_AUTH: errno.EACCES,
  ERR_CONFIG: errno.EACCES,
  ERR_DENIED: errno.EACCES,
  ERR_DOWN: errno.ENETDOWN,
  ERR_HOST_UNREACHABLE: errno.EHOSTUNREACH,
  ERR_INTERNAL: errno.EIO,
  ERR_LIMIT: errno.ENOBUFS,
  ERR_NAME: errno.EHOSTUNREACH,
  ERR_NET_UNREACHABLE: errno.ENETUNREACH,
  ERR_PROTOCOL: errno.EPROTO,
  ERR_REFUSED: errno.ECONNREFUSED,
  ERR_RESET: errno.ECONNRESET,
  ERR_RESOLVER: errno.EHOSTUNREACH,
  ERR_TIMEOUT: errno.ETIMEDOUT,
  ERR_UNSUPPORTED: errno.EOPNOTSUPP,
}

export function errnoOf(thrown: unknown): number {
  return thrown instanceof Errno ? thrown.errno : ERRNO[toPvpnError(thrown).code]
}

/** The same failure of binding: a port that the environment's stack has no room for is in use. */
export function taken(thrown: unknown): unknown {
  if (thrown instanceof Errno || toPvpnError(thrown).code !== 'ERR_LIMIT') return thrown
  return new Errno(errno.EADDRINUSE)
}
