/**
 * How one environment's process asks another to carry its tunnel (`through`), over a Unix socket in
 * the runtime folder: a SOCKS5 request (RFC 1928 section 4) without a greeting. CONNECT: a stream.
 * UDP ASSOCIATE: framed datagrams with SOCKS5's header on this same connection; the answer's port is
 * the MTU. RESOLVE: an answer for each address, then the end. Codes from 128 on are ErrorCodes.
 */
import { type ErrorCode, PvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import type { Bytes, Target } from '../core/types.js'
import { type HandshakeStep, joinBytes, type ProxyHandshake } from '../tunnel/proxy/handshake.js'
import { encodeSocks5Request, parseSocks5Reply } from '../wire/socks5.js'

const CODES = [
  'ERR_INTERNAL',
  'ERR_ABORTED',
  'ERR_AUTH',
  'ERR_CONFIG',
  'ERR_DENIED',
  'ERR_DOWN',
  'ERR_HOST_UNREACHABLE',
  'ERR_LIMIT',
  'ERR_NAME',
  'ERR_NET_UNREACHABLE',
  'ERR_PROTOCOL',
  'ERR_REFUSED',
  'ERR_RESET',
  'ERR_RESOLVER',
  'ERR_TIMEOUT',
  'ERR_UNSUPPORTED',
] as const satisfies readonly ErrorCode[]

const WORDS: Partial<Record<ErrorCode, string>> = {
  ERR_NAME: 'no such name there',
  ERR_RESOLVER: 'its resolver failed',
  ERR_REFUSED: 'connection refused',
  ERR_TIMEOUT: 'no answer',
  ERR_UNSUPPORTED: 'its tunnel carries no UDP',
  ERR_NET_UNREACHABLE: 'no route',
  ERR_HOST_UNREACHABLE: 'host unreachable',
  ERR_DENIED: 'not allowed there',
}

/** MTU that is told for an environment without an IP layer, in bytes. */
export const PLAIN_MTU = 1500

/** The socket's path is the other environment's. */
export function carryPath(runtimeFolder: string, environment: string): string {
  return `${runtimeFolder}/through/${environment}.sock`
}

export function codeByte(code: ErrorCode): number {
  return 128 + Math.max(0, CODES.indexOf(code))
}

export function waitsFor(lower: string, why: string): PvpnError {
  return new PvpnError('ERR_DOWN', `waits for environment "${lower}", which ${why}`, {
    hint: `see: pvpn status; it is started with: pvpn start ${lower}`,
  })
}

/** The asking side. */
export class CarryHandshake implements ProxyHandshake {
  readonly greeting: Bytes
  readonly #lower: string
  readonly #target: Target
  #bytes: Bytes = new Uint8Array(0)

  constructor(lower: string, command: number, target: Target) {
    this.#lower = lower
    this.#target = target
    this.greeting = encodeSocks5Request(command, target)
  }

  push(chunk: Bytes): HandshakeStep {
    this.#bytes = joinBytes(this.#bytes, chunk)
    const parsed = parseSocks5Reply(this.#bytes)
    if (parsed === undefined) return { kind: 'more' }
    if (parsed.kind === 'invalid') {
      const error = new PvpnError('ERR_PROTOCOL', `environment "${this.#lower}": ${parsed.reason}`)
      return { kind: 'failed', error }
    }
    const { code, bound } = parsed.value
    if (code === 0) return { kind: 'done', rest: this.#bytes.subarray(parsed.length), bound }
    return { kind: 'failed', error: this.#refused(CODES[code - 128] ?? 'ERR_INTERNAL') }
  }

  #refused(code: ErrorCode): PvpnError {
    if (code === 'ERR_DOWN') return waitsFor(this.#lower, 'is not up')
    const where = formatHostPort(this.#target.host, this.#target.port)
    const why = WORDS[code] ?? code
    return new PvpnError(code, `${where} through environment "${this.#lower}": ${why}`)
  }
}
