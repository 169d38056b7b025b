/** What a person has said for one SSH server: its password, passwords of keys, and answers that are good once. */
import type { PvpnError } from '../core/errors.js'
import { QUESTION_LABEL, QUESTIONS_MOST } from '../core/limits.js'
import { plainText } from '../core/plain-text.js'
import { type Answers, askFor, type Question, question } from '../core/question.js'
import type { KeyboardPrompt } from '../tunnel/ssh/authentication.js'

export class SshAnswers {
  /** The server, for people. */
  readonly who: string
  /** Before each field: '' for the tunnel's server, `jump1.` and so on for those on the way. */
  readonly #prefix: string
  readonly #configured: string | undefined
  #password: string | undefined
  /** By number of the key. */
  readonly #keys = new Map<number, string>()
  /** By the server's words; `echo` as it wished. */
  readonly #prompts = new Map<string, KeyboardPrompt>()
  readonly #once = new Map<string, string>()
  /** Words of what this login has answered with answers that are good once. */
  readonly #used = new Set<string>()

  constructor(who: string, prefix: string, configured: string | undefined) {
    this.who = who
    this.#prefix = prefix
    this.#configured = configured
  }

  get password(): string | undefined {
    return this.#configured ?? this.#password
  }

  keyPassword(key: number): string | undefined {
    return this.#keys.get(key)
  }

  answer(answers: Answers): void {
    const said = (field: string) => {
      const name = `${this.#prefix}${field}`
      return Object.hasOwn(answers, name) ? answers[name] : undefined
    }
    this.#password = said('password') ?? this.#password
    for (const name of Object.keys(answers)) {
      const key = /^key_password(?:\.(\d{1,3}))?$/.exec(name.slice(this.#prefix.length))
      const text = answers[name]
      if (key === null || text === undefined || !name.startsWith(this.#prefix)) continue
      this.#keys.set(Number(key[1] ?? 0), text)
    }
    for (const [i, words] of [...this.#prompts.keys()].entries()) {
      const text = said(`prompt.${i}`)
      if (text !== undefined) this.#once.set(words, text)
    }
  }

  /** A login begins. */
  begin(): void {
    this.#used.clear()
  }

  /** The login is over: what is good once has been used, or its moment has passed. */
  over(): void {
    this.#once.clear()
  }

  /** The answers to these, when there is one to each; they are good for this once. */
  take(prompts: readonly KeyboardPrompt[]): readonly string[] | undefined {
    const found = prompts.map(({ text }) => this.#once.get(text))
    if (found.some((text) => text === undefined)) return undefined
    for (const { text } of prompts) {
      this.#used.add(text)
      this.#once.delete(text)
    }
    return found.map((text) => text ?? '')
  }

  /** The key is encrypted, and nothing (or not what was said) opens it. `file` is for the person. */
  askForKey(key: number, file: string): PvpnError {
    const refused = this.#keys.delete(key)
    const field = key === 0 ? 'key_password' : `key_password.${key}`
    const asked = question(`${this.#prefix}${field}`, `Password of the key ${file}`, {
      refused,
      ...(this.#prefix === '' && key === 0 ? { setting: 'key_password' } : {}),
    })
    const why = refused ? `auth failed: this password does not open the key ${file}` : undefined
    return askFor(this.who, [asked], why)
  }

  /**
   * What a person has to say for the next login; undefined when that is nothing. `refused`: the server
   * has seen the answers that there were. `given`: it was given the password.
   */
  asks(
    wanted: { readonly password: boolean; readonly prompts: readonly KeyboardPrompt[] },
    refused: boolean,
    given: boolean,
  ): readonly Question[] | undefined {
    const typed = this.#configured === undefined
    const wrong = refused && given && typed && this.#password !== undefined
    const asks: Question[] = []
    if (typed && (wrong || wanted.password)) {
      const setting = this.#prefix === '' ? { setting: 'password' } : {}
      const label = `Password of ${this.who}`
      asks.push(question(`${this.#prefix}password`, label, { refused: wrong, ...setting }))
    }
    if (wrong) this.#password = undefined
    const before = [...this.#used].flatMap((words) => this.#prompts.get(words) ?? [])
    // What the last rounds asked comes again at the next connection.
    const all = new Map([...before, ...wanted.prompts].map((prompt) => [prompt.text, prompt]))
    if (asks.length + all.size > QUESTIONS_MOST) return undefined
    this.#prompts.clear()
    for (const prompt of all.values()) {
      const { text, echo } = prompt
      const field = `${this.#prefix}prompt.${this.#prompts.size}`
      this.#prompts.set(text, prompt)
      const label = plainText(text, QUESTION_LABEL).replace(/:$/, '') || 'Answer'
      asks.push(
        question(field, label, {
          secret: !echo,
          once: true,
          refused: refused && this.#used.has(text),
        }),
      )
    }
    return asks.length === 0 ? undefined : asks
  }
}
