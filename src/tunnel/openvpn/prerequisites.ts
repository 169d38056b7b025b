/** What must be there before a connection is made: TLS with an open private key, and the user's credentials. */
import { toPvpnError } from '../../core/errors.js'
import { type Answers, type Question, question } from '../../core/question.js'
import type { TlsEngineFactory } from '../../core/tls-engine.js'
import type { Credentials } from './credentials.js'

/** Throws what is wrong with certificate and key; ERR_AUTH: the key's password, or that there is none. */
export type TlsOpener = (keyPassword: string | undefined) => TlsEngineFactory

export class Prerequisites {
  readonly #open: TlsOpener
  readonly #configured: string | undefined
  readonly #credentials: Credentials
  /** The private key's password, as a person typed it. */
  #typed: string | undefined
  #tls: TlsEngineFactory | undefined

  /** `keyPassword`: the configuration's. */
  constructor(open: TlsOpener, keyPassword: string | undefined, credentials: Credentials) {
    this.#open = open
    this.#configured = keyPassword
    this.#credentials = credentials
  }

  /** Undefined until nothing is missing for it. */
  get tls(): TlsEngineFactory | undefined {
    return this.#tls
  }

  /** What is missing that a person may know. Throws (PvpnError) when certificate and key can't be used. */
  missing(): readonly Question[] {
    return [...this.#unlock(), ...this.#credentials.questions]
  }

  answer(answers: Answers): void {
    if (Object.hasOwn(answers, 'key_password')) this.#typed ??= answers.key_password
    this.#credentials.answer(answers)
  }

  #unlock(): readonly Question[] {
    if (this.#tls !== undefined) return []
    const password = this.#configured ?? this.#typed
    try {
      this.#tls = this.#open(password)
      return []
    } catch (thrown) {
      const error = toPvpnError(thrown)
      if (error.code !== 'ERR_AUTH' || this.#configured !== undefined) throw error
      const refused = password !== undefined
      return [question('key_password', 'Password of the key', { setting: 'key_password', refused })]
    } finally {
      // The key is open, or this was not its password.
      this.#typed = undefined
    }
  }
}
