/**
 * Reads what the installed openconnect prints, for what it asks: a prompt is the beginning of a line on
 * standard error after which nothing comes. The words are the server's, in part, and so hostile.
 */
import type { Millis } from '../../core/types.js'
import { serverWords } from './failure.js'
import { ENGINE_TEXT } from './limits.js'
import { PROMPT_QUIET } from './timing.js'

const NEVER = Number.POSITIVE_INFINITY
const AT_ONCE = 0

/** Before these words nothing of the program's has reached the server. */
const CONNECTED = 'Connected to HTTPS on '

const REFUSAL = /fail|denied|invalid|incorrect|wrong|reject|try again/i
/** Of TLS, and of our own key: no answer of ours was refused. */
const NO_REFUSAL = /certificate|decrypt|connect/i

export interface Prompt {
  readonly kind: 'certificate' | 'choice' | 'username' | 'key' | 'secret'
  /** For the person; with what the server said just before. */
  readonly label: string
  /** Of a choice. */
  readonly choices: readonly string[]
  /** What was said of an answer that was wrong, since the last one. */
  readonly refusal: string | undefined
}

export class PromptReader {
  /** Is there a key of ours that may want a password? Before TLS nothing else is asked. */
  readonly #hasKey: boolean
  /** Of standard error, since the last answer. */
  #text = ''
  /** The end of all that was printed. */
  #end = ''
  #connected = false
  /** The server's certificate was refused in this run: whatever is asked, the answer is no. */
  #refused = false
  /** Something came since the last look at the clock. */
  #fresh = false
  #dueAt: Millis = NEVER

  constructor(hasKey: boolean) {
    this.#hasKey = hasKey
  }

  /** In any cuts. `errors`: on standard error. */
  hear(text: string, errors: boolean): void {
    this.#end += text
    this.#connected ||= this.#end.includes(CONNECTED)
    this.#end = this.#end.slice(-CONNECTED.length)
    if (!errors) return
    this.#text = (this.#text + text).slice(-ENGINE_TEXT)
    this.#refused ||= /failed verification/.test(this.#text)
    this.#fresh = true
  }

  /** When what stands there counts as a prompt, unless more comes. */
  get deadline(): Millis {
    return this.#fresh ? AT_ONCE : this.#dueAt
  }

  /** There is TLS with the server. */
  get connected(): boolean {
    return this.#connected
  }

  /** What was last taken still stands there: the program reads. */
  get stands(): boolean {
    return this.#tail !== ''
  }

  answered(): void {
    this.#text = ''
    this.#fresh = false
    this.#dueAt = NEVER
  }

  take(now: Millis): Prompt | undefined {
    if (this.#fresh) this.#dueAt = this.stands ? now + PROMPT_QUIET : NEVER
    this.#fresh = false
    if (now < this.#dueAt) return undefined
    this.#dueAt = NEVER
    const lines = this.#text.split('\n').map((line) => line.trim())
    const tail = this.#tail
    const said = lines.slice(0, -1).filter((line) => line !== '' && !NO_REFUSAL.test(line))
    const refusal = said.findLast((line) => REFUSAL.test(line))
    const message = said.at(-1)
    const prompt = tail.replace(/[\s:]+$/, '')
    const choices = /^(.*?)\s*\[([^[\]]*(?:\[[^[\]]*\][^[\]]*)*)\]$/.exec(prompt)
    const plain = choices?.[1] ?? prompt
    const isMessage = message !== undefined && message !== refusal && message !== plain
    return {
      kind: this.#kindOf(tail, plain, choices !== null),
      label: serverWords(isMessage ? `${message} ${plain}` : plain),
      choices: choices?.[2]?.split('|') ?? [],
      refusal: refusal === undefined ? undefined : serverWords(refusal),
    }
  }

  get #tail(): string {
    return this.#text.slice(this.#text.lastIndexOf('\n') + 1).trim()
  }

  #kindOf(tail: string, plain: string, isChoice: boolean): Prompt['kind'] {
    if (this.#refused || tail.startsWith("Enter 'yes'")) return 'certificate'
    if (!this.#connected && this.#hasKey) return 'key'
    if (isChoice) return 'choice'
    return /^(user|login|uname)/i.test(plain) && !/pass/i.test(plain) ? 'username' : 'secret'
  }
}
