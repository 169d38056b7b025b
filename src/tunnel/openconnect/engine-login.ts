/** One login of the installed openconnect: answers what it asks from what is known, and asks a person for the rest. */
import { PvpnError } from '../../core/errors.js'
import type { OpenconnectOptions } from '../../core/options.js'
import { type Answers, askFor, type Question, question } from '../../core/question.js'
import type { Millis } from '../../core/types.js'
import { type Prompt, PromptReader } from './engine-prompt.js'
import { authFailed, groupUnknown, keyLocked, noAnswer, protocolBroken } from './failure.js'
import { ENGINE_ANSWER_BYTES, ENGINE_PROMPTS } from './limits.js'
import { SETUP_TIMEOUT } from './timing.js'

/** What a person has said that is good for the next login too, by the question's field. */
export class Remembered {
  readonly #texts = new Map<string, string>()

  hear(said: Answers): void {
    for (const field of ['username', 'password', 'key_password', 'authgroup']) {
      const text = Object.hasOwn(said, field) ? said[field] : undefined
      if (text !== undefined) this.#texts.set(field, text)
    }
  }

  get(field: string): string | undefined {
    return this.#texts.get(field)
  }

  forget(field: string): void {
    this.#texts.delete(field)
  }

  /** The configuration with it; what is configured goes first. */
  with(options: OpenconnectOptions): OpenconnectOptions {
    const own = (field: 'username' | 'password' | 'authgroup') => {
      const text = options[field] ?? this.get(field)
      return text === undefined ? {} : { [field]: text }
    }
    return { ...options, ...own('username'), ...own('password'), ...own('authgroup') }
  }
}

export type Step =
  /** The program is told this line. */
  | { readonly kind: 'say'; readonly line: string }
  /** The program waits meanwhile. */
  | { readonly kind: 'ask'; readonly error: PvpnError }
  /** Nothing comes of it. */
  | { readonly kind: 'over'; readonly error: PvpnError }

export class EngineLogin {
  /** What the program is started with. */
  readonly options: OpenconnectOptions
  readonly #configured: OpenconnectOptions
  readonly #remembered: Remembered
  readonly #prompts: PromptReader
  #count = 0
  /** What a person is asked now. */
  #asked: Question | undefined
  #lateAt: Millis
  #keyGiven = false
  #passwordGiven: boolean
  /** The words at which the last code was given. */
  #codeLabel: string | undefined
  #codeGiven = false
  /** An answer was refused, and the password or code that it may have been is not asked for yet. */
  #refusal: string | undefined

  constructor(configured: OpenconnectOptions, remembered: Remembered, now: Millis) {
    this.#configured = configured
    this.#remembered = remembered
    const hasKey = configured.tls.files?.certificate !== undefined
    const { password, ...known } = remembered.with(configured)
    // What is on its standard input the program gives to a key that is locked, too: then it waits for the prompt.
    this.#passwordGiven = password !== undefined && !hasKey
    this.options = this.#passwordGiven ? { ...known, password: password as string } : known
    this.#prompts = new PromptReader(hasKey)
    this.#lateAt = now + SETUP_TIMEOUT
  }

  /** A password or a code may have reached the server. */
  get gaveSecret(): boolean {
    return this.#prompts.connected && (this.#passwordGiven || this.#codeGiven)
  }

  /** The program waits for a person. */
  get asking(): boolean {
    return this.#asked !== undefined
  }

  /** What the program printed. */
  hear(text: string, errors: boolean): void {
    this.#prompts.hear(text, errors)
  }

  deadline(): Millis {
    return this.asking ? this.#prompts.deadline : Math.min(this.#prompts.deadline, this.#lateAt)
  }

  next(now: Millis): Step | undefined {
    const prompt = this.#prompts.take(now)
    if (prompt !== undefined) {
      this.#asked = undefined
      return this.#meet(prompt, now)
    }
    if (this.asking || now < this.#lateAt) return undefined
    return { kind: 'over', error: noAnswer(this.options.place.host, SETUP_TIMEOUT) }
  }

  /** A person has spoken. */
  answer(said: Answers, now: Millis): Step | undefined {
    const asked = this.#asked
    if (asked === undefined) return undefined
    this.#remembered.hear(said)
    this.#asked = undefined
    this.#lateAt = now + SETUP_TIMEOUT
    // It has gone on by itself: the line would be the answer to what it asks next.
    if (!this.#prompts.stands) return undefined
    const { field, choices } = asked
    const text = Object.hasOwn(said, field) ? said[field] : undefined
    if (text === undefined) return this.#ask(asked)
    if (!fitsLine(text) || choices?.includes(text) === false) {
      this.#remembered.forget(field)
      return this.#ask({ ...asked, refused: true })
    }
    if (field === 'password') this.#passwordGiven = true
    if (field === 'code') this.#codeGiven = true
    if (field === 'key_password') this.#keyGiven = true
    return this.#say(text, now)
  }

  #meet(prompt: Prompt, now: Millis): Step {
    if (++this.#count > ENGINE_PROMPTS) {
      return { kind: 'over', error: protocolBroken(this.options.place.host, 'endless questions') }
    }
    this.#refusal = prompt.refusal ?? this.#refusal
    switch (prompt.kind) {
      case 'certificate':
        // It is checked, never asked about: the program ends, and says why.
        return this.#say('no', now)
      case 'key':
        return this.#key(now)
      case 'choice':
        return this.#choose(prompt, now)
      case 'username':
        return this.#name(prompt, now)
      case 'secret':
        return this.#secret(prompt, now)
      default:
        return prompt.kind satisfies never
    }
  }

  #key(now: Millis): Step {
    const configured = this.#configured.tls.keyPassword
    const known = configured ?? this.#remembered.get('key_password')
    if (!this.#keyGiven && known !== undefined) {
      this.#keyGiven = true
      return this.#say(known, now)
    }
    this.#remembered.forget('key_password')
    const error = keyLocked(this.#keyGiven, configured !== undefined)
    this.#asked = error.asks[0]
    return { kind: this.asking ? 'ask' : 'over', error }
  }

  #choose({ label, choices }: Prompt, now: Millis): Step {
    const group = this.#known('authgroup')
    if (group !== undefined && choices.includes(group)) return this.#say(group, now)
    if (this.#configured.authgroup !== undefined) {
      return { kind: 'over', error: groupUnknown(this.#configured.authgroup, choices) }
    }
    this.#remembered.forget('authgroup')
    const refused = group !== undefined
    const setting = 'authgroup'
    return this.#ask(question('authgroup', label, { secret: false, refused, setting, choices }))
  }

  #name({ label }: Prompt, now: Millis): Step {
    const setting = 'username'
    const isTyped = this.#configured.username === undefined
    if (this.#refusal !== undefined && (isTyped || this.#configured.password !== undefined)) {
      return this.#anew(question('username', label, { secret: false, refused: true, setting }))
    }
    const known = this.#known('username')
    if (known !== undefined) return this.#say(known, now)
    return this.#ask(question('username', label, { secret: false, setting }))
  }

  /** The password first; what is asked after it is a code, each time another. */
  #secret({ label }: Prompt, now: Millis): Step {
    const refused = this.#refusal !== undefined
    if (refused && this.#codeLabel !== label) {
      return this.#anew(question('password', label, { refused, setting: 'password' }))
    }
    if (this.#passwordGiven) {
      this.#codeLabel = label
      return this.#ask(question('code', label, { once: true, refused }))
    }
    const password = this.#known('password')
    if (password === undefined)
      return this.#ask(question('password', label, { setting: 'password' }))
    this.#passwordGiven = true
    return this.#say(password, now)
  }

  /**
   * What was typed is wrong, and the next answer begins another login: ocserv 1.1 takes no right
   * password after a wrong one in the same. What is configured is not given twice.
   */
  #anew(asked: Question): Step {
    const error = this.#refusedError(this.#refusal ?? '')
    this.#remembered.forget('username')
    this.#remembered.forget('password')
    if (this.#configured.password !== undefined) return { kind: 'over', error }
    return { kind: 'over', error: askFor(this.options.place.host, [asked], error.message) }
  }

  #known(field: 'username' | 'password' | 'authgroup'): string | undefined {
    return this.#configured[field] ?? this.#remembered.get(field)
  }

  #say(line: string, now: Millis): Step {
    this.#prompts.answered()
    this.#lateAt = now + SETUP_TIMEOUT
    return { kind: 'say', line }
  }

  #ask(asked: Question): Step {
    const refusal = this.#refusal
    this.#refusal = undefined
    this.#asked = asked
    const why = refusal === undefined ? undefined : this.#refusedError(refusal).message
    return { kind: 'ask', error: askFor(this.options.place.host, [asked], why) }
  }

  #refusedError(refusal: string): PvpnError {
    return authFailed(this.#known('username'), refusal)
  }
}

/** What is configured that the program can't be told; undefined: nothing. */
export function unfit({ password, tls }: OpenconnectOptions): PvpnError | undefined {
  const given = Object.entries({ password, key_password: tls.keyPassword })
  const name = given.find(([, text]) => text !== undefined && !fitsLine(text))?.[0]
  if (name === undefined) return undefined
  const most = `one line of at most ${ENGINE_ANSWER_BYTES} bytes`
  return new PvpnError('ERR_CONFIG', `with engine: openconnect ${name} must be ${most}`, {
    hint: `correct ${name}, then: pvpn reload`,
  })
}

/** The program reads one line, of so many bytes; the rest would answer what it asks next. */
function fitsLine(text: string): boolean {
  return !/[\r\n\0]/.test(text) && new TextEncoder().encode(text).length <= ENGINE_ANSWER_BYTES
}
