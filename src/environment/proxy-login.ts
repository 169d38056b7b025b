/** User name and password for an upstream proxy: the configuration's, or what a person typed. */
import { type PvpnError, toPvpnError } from '../core/errors.js'
import { type Answers, askFor, type Question, question } from '../core/question.js'
import type { Credentials } from '../tunnel/proxy/handshake.js'

/** Bytes that SOCKS5 can carry (RFC 1929 section 2). */
const LONGEST = 255

export interface ConfiguredLogin {
  readonly username?: string
  readonly password?: string
}

export class ProxyLogin {
  readonly #server: string
  readonly #configured: ConfiguredLogin
  #typed: { username?: string; password?: string } = {}

  /** `server` is for people. */
  constructor(server: string, configured: ConfiguredLogin) {
    this.#server = server
    this.#configured = configured
  }

  /** Undefined without a user. */
  get credentials(): Credentials | undefined {
    const username = this.#configured.username ?? this.#typed.username
    const password = this.#configured.password ?? this.#typed.password ?? ''
    return username === undefined ? undefined : { username, password }
  }

  /** What can't be sent is not taken, and so asked for again. */
  answer(answers: Answers): void {
    for (const field of ['username', 'password'] as const) {
      const text = Object.hasOwn(answers, field) ? answers[field] : undefined
      const fits = text !== undefined && new TextEncoder().encode(text).length <= LONGEST
      // HTTP's Basic ends a name at the first colon (RFC 7617).
      if (fits && !(field === 'username' && text.includes(':'))) this.#typed[field] = text
    }
  }

  /** What a connection failed with; when the proxy wants others than ours, asking for what is not configured. */
  failure(thrown: unknown): PvpnError {
    const error = toPvpnError(thrown)
    if (error.code !== 'ERR_AUTH') return error
    const { username, password } = this.#configured
    const asks: Question[] = []
    if (username === undefined) asks.push(this.#ask('username', 'User name', false))
    if (password === undefined) {
      asks.push(
        this.#ask(
          'password',
          username === undefined ? 'Password' : `Password of ${username}`,
          true,
        ),
      )
    }
    this.#typed = {}
    return asks.length === 0 ? error : askFor(this.#server, asks, error.message)
  }

  #ask(field: 'username' | 'password', label: string, secret: boolean): Question {
    return question(field, label, {
      secret,
      setting: field,
      refused: this.#typed[field] !== undefined,
    })
  }
}
