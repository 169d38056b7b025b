/**
 * The order in which a login is tried (RFC 4252), as OpenSSH's: keys, keyboard-interactive, password.
 * A machine without I/O. No key is offered twice, and a password is given away once.
 */
import { MAX_SSH_AUTH_ROUNDS } from './limits.js'

export type LoginStep =
  | { readonly kind: 'none' }
  /** The key of this index. */
  | { readonly kind: 'key'; readonly key: number }
  | { readonly kind: 'keyboard' }
  | { readonly kind: 'password' }
  | { readonly kind: 'failed'; readonly why: string }

export interface LoginMeans {
  /** What the keys are called in messages. */
  readonly keys: readonly string[]
  readonly password: boolean
}

export interface KeyboardPrompt {
  readonly text: string
  readonly echo: boolean
}

export class Authentication {
  readonly #means: LoginMeans
  #nextKey = 0
  #keyboardTried = false
  #passwordGiven = false
  #rounds = 0
  /** What the server still takes. */
  #methods: readonly string[] = []
  /** The last questions that nothing here answers. */
  #open: readonly KeyboardPrompt[] = []

  constructor(means: LoginMeans) {
    this.#means = means
  }

  /** What the server takes is asked for by a login with nothing. */
  first(): LoginStep {
    return { kind: 'none' }
  }

  /** The last try was not accepted; with `partial` it was, and more is wanted. */
  refused(methods: readonly string[], partial: boolean): LoginStep {
    this.#methods = methods
    // A second round of questions may be another one: a code behind the password.
    if (partial) this.#keyboardTried = false
    if (++this.#rounds > MAX_SSH_AUTH_ROUNDS) return this.#failed()
    const { keys, password } = this.#means
    if (methods.includes('publickey') && this.#nextKey < keys.length) {
      return { kind: 'key', key: this.#nextKey++ }
    }
    const unused = password && !this.#passwordGiven
    // What it asks is known only then; a person may have the answer.
    const asks = methods.includes('keyboard-interactive') && !this.#keyboardTried
    if (asks && (unused || !password || partial)) {
      this.#keyboardTried = true
      return { kind: 'keyboard' }
    }
    if (methods.includes('password') && unused) {
      this.#passwordGiven = true
      return { kind: 'password' }
    }
    return this.#failed()
  }

  /**
   * Answers to keyboard-interactive: the password to the one hidden question that is not for a code,
   * else what `typed` finds. Undefined: the login is given up.
   */
  answers(
    prompts: readonly KeyboardPrompt[],
    password: string | undefined,
    typed: (prompts: readonly KeyboardPrompt[]) => readonly string[] | undefined = () => undefined,
  ): readonly string[] | undefined {
    if (++this.#rounds > MAX_SSH_AUTH_ROUNDS) return undefined
    if (prompts.length === 0) return []
    const [prompt] = prompts
    const askable = prompts.length === 1 && prompt !== undefined && !prompt.echo
    if (askable && !CODE.test(prompt.text) && password !== undefined && !this.#passwordGiven) {
      this.#passwordGiven = true
      return [password]
    }
    const answers = typed(prompts)
    if (answers === undefined) this.#open = prompts
    return answers
  }

  /** What a person would have to say; after `failed`. */
  get wanted(): { readonly password: boolean; readonly prompts: readonly KeyboardPrompt[] } {
    const [prompt] = this.#open
    const hidden = this.#open.length === 1 && prompt !== undefined && !prompt.echo
    const named = hidden && /pass(word|phrase)/i.test(prompt.text) && !CODE.test(prompt.text)
    if (named && !this.#means.password) return { password: true, prompts: [] }
    if (this.#open.length > 0) return { password: false, prompts: this.#open }
    const password = !this.#means.password && this.#methods.includes('password')
    return { password, prompts: [] }
  }

  get passwordGiven(): boolean {
    return this.#passwordGiven
  }

  /** In words, for when the server ends the connection in the middle. */
  get failure(): string {
    return this.#failed().why
  }

  #failed(): { readonly kind: 'failed'; readonly why: string } {
    const { keys } = this.#means
    const tried = [
      ...keys.slice(0, this.#nextKey).map((key) => `key ${key}`),
      ...(this.#passwordGiven ? ['the password'] : []),
    ]
    const takes = this.#methods.length === 0 ? 'nothing more' : plain(this.#methods.join(', '))
    if (this.wanted.prompts.length > 0) {
      const question = this.#open.map(({ text }) => plain(text)).join(', ')
      return { kind: 'failed', why: `the server asks "${question}"` }
    }
    return {
      kind: 'failed',
      why:
        tried.length === 0
          ? `there is nothing to log in with; the server takes ${takes}`
          : `the server did not accept ${tried.join(', ')}; it takes ${takes}`,
    }
  }
}

/** Questions of this kind are never given the password. */
const CODE = /code|token|one.?time|otp\b|\bpin\b/i

/** A stranger's text for messages. */
function plain(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, ' ')
    .trim()
    .slice(0, 80)
}
