/**
 * What proves the user: the password, with the answer to a static challenge; the answer to a dynamic
 * one (CRV1); or the token that the server gave instead. Knows what is missing, and asks for it.
 */
import { base64 } from '../../core/base64.js'
import type { OpenvpnOptions } from '../../core/options.js'
import { type Answers, type Question, question } from '../../core/question.js'
import type { DynamicChallenge } from './challenge.js'

export type CredentialOptions = Pick<
  OpenvpnOptions,
  'username' | 'password' | 'challenge' | 'asksPassword' | 'staticChallenge' | 'forgetsPassword'
>

/** A value, and whether a person typed it: what the configuration says is not asked for. */
interface Given {
  readonly text: string
  readonly typed: boolean
}

export class Credentials {
  readonly #o: CredentialOptions
  #username: Given | undefined
  #password: Given | undefined
  /** The answer to the static challenge; a typed one is good for one attempt. */
  #code: Given | undefined
  #token: { readonly user: string; readonly token: string } | undefined
  /** The server's dynamic challenge that waits for an answer. */
  #dynamic: DynamicChallenge | undefined
  #response: string | undefined
  /** The last attempt answered a dynamic challenge. */
  #responded = false
  readonly #refused = new Set<string>()

  constructor(options: CredentialOptions) {
    this.#o = options
    this.#username = configured(options.username)
    this.#password = configured(options.password)
    this.#code = configured(options.challenge)
  }

  get username(): string | undefined {
    return this.#username?.text
  }

  get hasToken(): boolean {
    return this.#token !== undefined
  }

  /** What a person has to say before the next attempt. */
  get questions(): readonly Question[] {
    const { asksPassword, staticChallenge } = this.#o
    if (this.#dynamic !== undefined && this.#response === undefined) {
      const { text, echo } = this.#dynamic
      return [this.#ask('response', text, { secret: !echo, once: true })]
    }
    if (!asksPassword || this.#token !== undefined || this.#dynamic !== undefined) return []
    const asks: Question[] = []
    if (this.#username === undefined) {
      asks.push(this.#ask('username', 'User name', { secret: false, setting: 'username' }))
    }
    if (this.#password === undefined) {
      const label = this.username === undefined ? 'Password' : `Password of ${this.username}`
      const once = this.#o.forgetsPassword === true
      asks.push(this.#ask('password', label, { setting: 'password', once }))
    }
    if (staticChallenge !== undefined && this.#code === undefined) {
      const { text, echo } = staticChallenge
      asks.push(this.#ask('challenge', text, { secret: !echo, once: true, setting: 'challenge' }))
    }
    return asks
  }

  answer(answers: Answers): void {
    const take = (field: string) => {
      const text = Object.hasOwn(answers, field) ? answers[field] : undefined
      if (text !== undefined) this.#refused.delete(field)
      return text === undefined ? undefined : { text, typed: true }
    }
    if (this.#dynamic !== undefined) {
      this.#response = take('response')?.text
      return
    }
    this.#username ??= take('username')
    this.#password ??= take('password')
    this.#code ??= take('challenge')
  }

  /** For the next key message; both empty without a user. What is good for one attempt is gone then. */
  take(): { readonly username: string; readonly password: string } {
    const username = this.username ?? ''
    if (this.#dynamic !== undefined && this.#response !== undefined) {
      const { state, user } = this.#dynamic
      const password = `CRV1::${state}::${this.#response}`
      this.#forgetChallenge()
      this.#responded = true
      return { username: user === '' ? username : user, password }
    }
    this.#responded = false
    if (this.#token !== undefined) {
      return { username: this.#token.user, password: this.#token.token }
    }
    const password = this.#password?.text ?? ''
    if (this.#o.forgetsPassword === true && this.#password?.typed === true) {
      this.#password = undefined
    }
    const code = this.#code?.text
    if (this.#code?.typed === true) this.#code = undefined
    if (code === undefined) return { username, password }
    const scheme = this.#o.staticChallenge?.format ?? 'scrv1'
    return {
      username,
      password: scheme === 'concat' ? password + code : `SCRV1:${base64(password)}:${base64(code)}`,
    }
  }

  keepToken(token: string, user: string | undefined): void {
    this.#token = { token, user: user ?? this.username ?? '' }
  }

  forgetToken(): void {
    this.#token = undefined
  }

  /** The server has asked; the answer goes with the next attempt. True: it has refused the last one. */
  challenged(challenge: DynamicChallenge): boolean {
    this.#dynamic = challenge
    this.#response = undefined
    return this.#refused.has('response')
  }

  /**
   * The server has said no: what a person typed is asked for again. False: it was about the answer to
   * its challenge, and the password gets another one.
   */
  refused(): boolean {
    if (this.#responded) {
      this.#refused.add('response')
      return false
    }
    this.#forgetChallenge()
    this.forgetToken()
    if (this.#password?.typed === true) {
      this.#password = undefined
      this.#refused.add('password')
    }
    if (this.#username?.typed === true) {
      this.#username = undefined
      this.#refused.add('username')
    }
    return true
  }

  #forgetChallenge(): void {
    this.#dynamic = undefined
    this.#response = undefined
  }

  #ask(field: string, label: string, options: Parameters<typeof question>[2]): Question {
    return question(field, label, { ...options, refused: this.#refused.has(field) })
  }
}

function configured(text: string | undefined): Given | undefined {
  return text === undefined ? undefined : { text, typed: false }
}
