/**
 * What a tunnel needs of a person: a password that nobody has configured, a one-time code, a field of
 * a server's form. The way of a question, and of its answer:
 *
 *   tunnel fails with an error that `asks` ─► state `failed` ─► gateway ─► `pvpn start ENV`
 *   tunnel.answer ◄─ environment's process ◄─ IPC ◄─ gateway ◄─ control.sock ◄─ typed by the person
 *
 * The gateway keeps what was typed in memory, unless it is for once, and gives it again by itself when
 * the same field is asked for later, until it is refused. So a tunnel asks each time when it does not
 * have what it needs, and says `refused` when the last answer was wrong.
 */
import { PvpnError } from './errors.js'
import { QUESTION_CHOICES, QUESTION_LABEL, QUESTIONS_MOST } from './limits.js'
import { plainText } from './plain-text.js'

export interface Question {
  /** Which answer it is, the same each time: the configuration's key where there is one (`password`, `form.code`). */
  readonly field: string
  /** For the person; may hold a server's words, made plain. */
  readonly label: string
  /** Must not be seen while it is typed. */
  readonly secret: boolean
  /** The answer is good once (a code, the answer to a challenge): never kept, never given twice. */
  readonly once: boolean
  /** The last answer was wrong: a kept one is forgotten. */
  readonly refused: boolean
  /** The key below `tunnel:` that would answer it, or its `…_file` or `…_command`; absent: only a person can. */
  readonly setting?: string
  /** The answer must be one of these. */
  readonly choices?: readonly string[]
}

/** By field. Secrets in the clear: they go to the tunnel and nowhere else. */
export type Answers = Readonly<Record<string, string>>

export interface QuestionOptions {
  /** Default true. */
  readonly secret?: boolean
  /** Default false. */
  readonly once?: boolean
  /** Default false. */
  readonly refused?: boolean
  readonly setting?: string
  readonly choices?: readonly string[]
}

/** Makes a question of words that may be a stranger's. */
export function question(field: string, label: string, options: QuestionOptions = {}): Question {
  const { secret = true, once = false, refused = false, setting, choices } = options
  const shown = choices
    ?.slice(0, QUESTION_CHOICES)
    .filter((choice) => choice === plainText(choice, QUESTION_LABEL))
  return {
    field,
    label: plainText(label, QUESTION_LABEL) || field,
    secret,
    once,
    refused,
    ...(setting === undefined ? {} : { setting }),
    ...(shown === undefined ? {} : { choices: shown }),
  }
}

/**
 * The error of a tunnel that can't go on without answers: `auth failed: WHO asks for "LABEL"`. `why`
 * instead of these words where more is to be said, for example that the last answer was refused.
 */
export function askFor(who: string, questions: readonly Question[], why?: string): PvpnError {
  const asks = questions.slice(0, QUESTIONS_MOST)
  const wanted = asks.map(({ label }) => `"${label}"`).join(' and ')
  return new PvpnError('ERR_AUTH', why ?? `auth failed: ${who} asks for ${wanted}`, {
    hint: 'answer on a terminal with: pvpn start ENV',
    asks,
  })
}
