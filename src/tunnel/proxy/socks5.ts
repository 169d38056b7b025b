/** The client's side of SOCKS5 (RFC 1928, RFC 1929). */
import { type ErrorCode, PvpnError } from '../../core/errors.js'
import { formatHostPort } from '../../core/ip.js'
import type { Bytes, Target } from '../../core/types.js'
import type { Parsed } from '../../wire/parsed.js'
import {
  encodeSocks5Credentials,
  encodeSocks5Greeting,
  encodeSocks5Request,
  METHOD_NONE,
  METHOD_PASSWORD,
  parseSocks5CredentialsReply,
  parseSocks5Method,
  parseSocks5Reply,
} from '../../wire/socks5.js'
import {
  type Credentials,
  type HandshakeStep,
  joinBytes,
  type ProxyHandshake,
} from './handshake.js'

const REPLIES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  1: ['ERR_PROTOCOL', 'it could not be reached (general failure)'],
  2: ['ERR_DENIED', 'its rules do not allow it'],
  3: ['ERR_NET_UNREACHABLE', 'network unreachable'],
  4: ['ERR_HOST_UNREACHABLE', 'no such name, or host unreachable'],
  5: ['ERR_REFUSED', 'connection refused'],
  6: ['ERR_TIMEOUT', 'no answer'],
  7: ['ERR_UNSUPPORTED', 'it does not know this command'],
  8: ['ERR_UNSUPPORTED', 'it does not take this kind of address'],
}

export interface Socks5Wish {
  readonly command: number
  readonly target: Target
}

export interface Socks5HandshakeOptions {
  /** The server's address, for messages. */
  readonly server: string
  readonly credentials: Credentials | undefined
  /** Absent: done once the server has let us in. */
  readonly wish?: Socks5Wish
}

type Phase = 'method' | 'password' | 'reply'

export class Socks5Handshake implements ProxyHandshake {
  readonly greeting: Bytes
  readonly #o: Socks5HandshakeOptions
  #phase: Phase = 'method'
  #bytes: Bytes = new Uint8Array(0)

  constructor(options: Socks5HandshakeOptions) {
    this.#o = options
    const methods =
      options.credentials === undefined ? [METHOD_NONE] : [METHOD_NONE, METHOD_PASSWORD]
    this.greeting = encodeSocks5Greeting(methods)
  }

  push(chunk: Bytes): HandshakeStep {
    this.#bytes = joinBytes(this.#bytes, chunk)
    switch (this.#phase) {
      case 'method':
        return this.#with(parseSocks5Method(this.#bytes), (method) => this.#method(method))
      case 'password':
        return this.#with(parseSocks5CredentialsReply(this.#bytes), (good) =>
          good ? this.#ask() : this.#wrongPassword(),
        )
      case 'reply':
        return this.#with(parseSocks5Reply(this.#bytes), ({ code, bound }) => {
          if (code === 0) return { kind: 'done', rest: this.#bytes, bound }
          const [error, words] = REPLIES[code] ?? ['ERR_PROTOCOL', `unknown answer ${code}`]
          return this.#failed(
            error,
            `${this.#target}: the SOCKS server ${this.#o.server} says: ${words}`,
          )
        })
      default:
        return this.#phase satisfies never
    }
  }

  #with<T>(parsed: Parsed<T>, next: (value: T) => HandshakeStep): HandshakeStep {
    if (parsed === undefined) return { kind: 'more' }
    if (parsed.kind === 'invalid') {
      const error = new PvpnError('ERR_CONFIG', `${this.#o.server} is no SOCKS5 server`, {
        hint: 'check the address and the port of the proxy, and its type',
      })
      return { kind: 'failed', error }
    }
    this.#bytes = this.#bytes.subarray(parsed.length)
    return next(parsed.value)
  }

  #method(method: number): HandshakeStep {
    if (method === METHOD_NONE) return this.#ask()
    const { credentials, server } = this.#o
    if (method === METHOD_PASSWORD && credentials !== undefined) {
      this.#phase = 'password'
      const text = new TextEncoder()
      const send = encodeSocks5Credentials(
        text.encode(credentials.username),
        text.encode(credentials.password),
      )
      return this.#bytes.length > 0 ? this.#early() : { kind: 'more', send }
    }
    const error =
      credentials === undefined
        ? new PvpnError('ERR_AUTH', `auth failed: ${server} wants a user and password`, {
            hint: 'set username and password_file of the tunnel',
          })
        : new PvpnError('ERR_AUTH', `auth failed: ${server} takes no user and password of ours`, {
            hint: 'ask who runs the proxy how one logs in there',
          })
    return { kind: 'failed', error }
  }

  #ask(): HandshakeStep {
    const { wish } = this.#o
    if (wish === undefined) return { kind: 'done', rest: this.#bytes }
    if (this.#bytes.length > 0) return this.#early()
    this.#phase = 'reply'
    return { kind: 'more', send: encodeSocks5Request(wish.command, wish.target) }
  }

  /** An answer that nothing was asked for. */
  #early(): HandshakeStep {
    return this.#failed(
      'ERR_PROTOCOL',
      `the SOCKS server ${this.#o.server} answers before it is asked`,
    )
  }

  #wrongPassword(): HandshakeStep {
    const error = new PvpnError(
      'ERR_AUTH',
      `auth failed: ${this.#o.server} refuses user and password`,
      {
        hint: 'check username and password of the tunnel, then: pvpn restart',
      },
    )
    return { kind: 'failed', error }
  }

  get #target(): string {
    const { wish } = this.#o
    return wish === undefined ? '' : formatHostPort(wish.target.host, wish.target.port)
  }

  #failed(code: ErrorCode, message: string): HandshakeStep {
    return { kind: 'failed', error: new PvpnError(code, message) }
  }
}
