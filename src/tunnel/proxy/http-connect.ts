/** The client's side of HTTP's CONNECT (RFC 9110 section 9.3.6) with Basic (RFC 7617). */
import { type ErrorCode, PvpnError } from '../../core/errors.js'
import { formatHostPort } from '../../core/ip.js'
import type { Bytes, Target } from '../../core/types.js'
import {
  type Credentials,
  type HandshakeStep,
  joinBytes,
  type ProxyHandshake,
} from './handshake.js'
import { MAX_CONNECT_HEAD } from './limits.js'

const LF = 10
const CR = 13

export interface HttpConnectOptions {
  /** The proxy's address, for messages. */
  readonly server: string
  readonly credentials: Credentials | undefined
  readonly target: Target
}

/** Of RFC 9209 section 2.3: what a proxy says that it found. */
const PROXY_ERRORS: Readonly<Record<string, ErrorCode>> = {
  dns_timeout: 'ERR_RESOLVER',
  dns_error: 'ERR_NAME',
  destination_not_found: 'ERR_NAME',
  destination_ip_prohibited: 'ERR_DENIED',
  destination_ip_unroutable: 'ERR_HOST_UNREACHABLE',
  connection_refused: 'ERR_REFUSED',
  connection_timeout: 'ERR_TIMEOUT',
  http_request_denied: 'ERR_DENIED',
  ERR_DNS_FAIL: 'ERR_NAME',
  ERR_ACCESS_DENIED: 'ERR_DENIED',
}

const STATUSES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  403: ['ERR_DENIED', 'its rules do not allow it'],
  404: ['ERR_NAME', 'no such host'],
  405: ['ERR_UNSUPPORTED', 'it does not allow CONNECT'],
  500: ['ERR_HOST_UNREACHABLE', 'it could not be reached'],
  501: ['ERR_UNSUPPORTED', 'it does not know CONNECT'],
  502: ['ERR_HOST_UNREACHABLE', 'it could not be reached'],
  503: ['ERR_HOST_UNREACHABLE', 'it could not be reached'],
  504: ['ERR_TIMEOUT', 'no answer'],
}

export class HttpConnect implements ProxyHandshake {
  readonly greeting: Bytes
  readonly #o: HttpConnectOptions
  #bytes: Bytes = new Uint8Array(0)
  /** Where the look for the empty line goes on. */
  #at = 0
  #lineEmpty = false

  /** Throws ERR_NAME for a host that would be more than a host in the request. */
  constructor(options: HttpConnectOptions) {
    this.#o = options
    const { credentials, target } = options
    if (!/^[!-~]{1,255}$/.test(target.host)) {
      throw new PvpnError('ERR_NAME', 'the host name has characters that no name has')
    }
    const where = formatHostPort(target.host, target.port)
    const auth =
      credentials === undefined ? '' : `Proxy-Authorization: Basic ${basic(credentials)}\r\n`
    this.greeting = new TextEncoder().encode(
      `CONNECT ${where} HTTP/1.1\r\nHost: ${where}\r\n${auth}\r\n`,
    )
  }

  push(chunk: Bytes): HandshakeStep {
    this.#bytes = joinBytes(this.#bytes, chunk)
    const end = this.#headEnd()
    if (end === undefined) {
      return this.#bytes.length < MAX_CONNECT_HEAD ? { kind: 'more' } : this.#broken()
    }
    if (end > MAX_CONNECT_HEAD) return this.#broken()
    const head = new TextDecoder('latin1').decode(this.#bytes.subarray(0, end))
    const status = /^HTTP\/1\.[01] ([2-5]\d\d)(?: [^\r\n]*)?\r?\n/.exec(head)?.[1]
    if (status === undefined) return this.#broken()
    if (status.startsWith('2')) return { kind: 'done', rest: this.#bytes.subarray(end) }
    return { kind: 'failed', error: this.#refused(Number(status), head) }
  }

  /** Behind the empty line; each byte is looked at once. */
  #headEnd(): number | undefined {
    const bytes = this.#bytes
    const most = Math.min(bytes.length, MAX_CONNECT_HEAD)
    while (this.#at < most) {
      const byte = bytes[this.#at++]
      if (byte === LF) {
        if (this.#lineEmpty) return this.#at
        this.#lineEmpty = true
      } else if (byte !== CR) this.#lineEmpty = false
    }
    return undefined
  }

  #refused(status: number, head: string): PvpnError {
    const { credentials, server, target } = this.#o
    // 401 is what tinyproxy says to a wrong password.
    if (status === 407 || status === 401) {
      return credentials === undefined
        ? new PvpnError(
            'ERR_AUTH',
            `auth failed: ${server} wants a user and password (${status})`,
            {
              hint: 'set username and password_file of the tunnel',
            },
          )
        : new PvpnError(
            'ERR_AUTH',
            `auth failed: ${server} refuses user and password (${status})`,
            {
              hint: 'check username and password of the tunnel (Basic is what pvpn speaks), then: pvpn restart',
            },
          )
    }
    const [code, words] = STATUSES[status] ?? ['ERR_PROTOCOL', 'an answer that is none to CONNECT']
    const told = /^(?:proxy-status:.*?\berror=|x-squid-error: *)"?([A-Za-z_]+)/im.exec(head)?.[1]
    const found = told === undefined ? undefined : PROXY_ERRORS[told]
    const where = formatHostPort(target.host, target.port)
    return new PvpnError(
      found ?? code,
      `${where}: the HTTP proxy ${server} says ${status}: ${found === undefined ? words : told}`,
    )
  }

  #broken(): HandshakeStep {
    const error = new PvpnError('ERR_CONFIG', `${this.#o.server} is no HTTP proxy`, {
      hint: 'check the address and the port of the proxy, its type, and whether it wants TLS (tls: true)',
    })
    return { kind: 'failed', error }
  }
}

function basic({ username, password }: Credentials): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`)
  return btoa(String.fromCharCode(...bytes))
}
