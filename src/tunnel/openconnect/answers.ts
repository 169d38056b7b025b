/** Fills the server's forms from the configuration and from what a person says. Each secret is given once: a second question is a no. */
import type { PvpnError } from '../../core/errors.js'
import type { OpenconnectOptions } from '../../core/options.js'
import { askFor, type Question, question, type Answers as Said } from '../../core/question.js'
import type { Form, FormField } from './auth-message.js'
import { authFailed, groupUnknown, protocolBroken, unsupported } from './failure.js'
import { isXmlName } from './xml.js'

export type Credentials = Pick<OpenconnectOptions, 'username' | 'password' | 'form' | 'authgroup'>

export type Filled =
  | {
      readonly kind: 'filled'
      readonly fields: readonly (readonly [name: string, value: string])[]
      readonly group: string | undefined
      /** A secret is among the fields. */
      readonly secret: boolean
    }
  /** `asks`: the form may be filled once a person has answered. */
  | { readonly kind: 'failed'; readonly error: PvpnError; readonly asks: boolean }

/** Names of the choice that is the group, which goes elsewhere in the reply. */
const GROUP_FIELDS = new Set(['group_list', 'group-select', 'tunnel-group', 'authgroup'])

/** What the protocol renames on the way back. */
const SENT_AS: Readonly<Record<string, string>> = {
  answer: 'password',
  whichpin: 'password',
  new_password: 'password',
}

type Value =
  | { readonly value: string; readonly secret?: boolean }
  | { readonly error: PvpnError }
  | { readonly ask: Question }

export class Answers {
  readonly #given: Credentials
  readonly #server: string
  /** What a person has said, by the question's field. */
  #said: Said = {}
  /** Secrets that were sent, by the form's field. */
  readonly #used = new Set<string>()
  /** The form's field that the configured password has gone into. */
  #passwordField: string | undefined
  /** The last question was for a password in place of a wrong one. */
  passwordRefused = false

  /** For one authentication. `server` is for messages. */
  constructor(given: Credentials, server: string) {
    this.#given = given
    this.#server = server
  }

  /** A person has spoken. */
  hear(said: Said): void {
    this.#said = { ...this.#said, ...said }
  }

  /** For another authentication, with what a person has said. */
  forgetSent(): void {
    this.#used.clear()
    this.#passwordField = undefined
    this.passwordRefused = false
  }

  get username(): string | undefined {
    return this.#given.username ?? this.#heard('username')
  }

  get gaveSecret(): boolean {
    return this.#used.size > 0
  }

  /** The group that this form would have us choose anew; undefined: none, or it is chosen already. */
  groupToAsk(form: Form): string | undefined {
    const field = form.fields.find(isGroup)
    const wanted = field === undefined ? undefined : this.#wantedGroup(field)
    if (field === undefined || wanted === undefined) return undefined
    const choice = field.choices.find(matches(wanted))
    const present = field.choices.find(({ selected }) => selected) ?? field.choices[0]
    return choice === undefined || choice === present ? undefined : choice.value
  }

  /** `message`: what the server says beside the form. */
  fill(form: Form, message: string): Filled {
    const fields: [string, string][] = []
    const sent: string[] = []
    const asks: Question[] = []
    let group: string | undefined
    let passwordField = this.#passwordField
    for (const field of form.fields) {
      const isFirst = field.kind === 'password' && passwordField === undefined
      if (isFirst) passwordField = field.name
      const found = isGroup(field)
        ? this.#choose(field, this.#wantedGroup(field))
        : this.#value(field, message, field.name === passwordField)
      if ('error' in found) return { kind: 'failed', error: found.error, asks: false }
      if ('ask' in found) asks.push(found.ask)
      else if (isGroup(field)) group = found.value
      else {
        if (found.secret === true) sent.push(field.name)
        fields.push([SENT_AS[field.name] ?? field.name, found.value])
      }
    }
    if (asks.length > 0) {
      this.passwordRefused = asks.some(({ field, refused }) => refused && field === 'password')
      const again = asks.some(({ refused }) => refused)
      const why = again ? authFailed(this.username, message).message : undefined
      return { kind: 'failed', error: askFor(this.#server, asks, why), asks: true }
    }
    for (const name of sent) this.#used.add(name)
    this.#passwordField = passwordField
    return { kind: 'filled', fields, group, secret: sent.length > 0 }
  }

  #heard(field: string): string | undefined {
    return Object.hasOwn(this.#said, field) ? this.#said[field] : undefined
  }

  #wantedGroup({ name }: FormField): string | undefined {
    return this.#given.authgroup ?? this.#own(name)
  }

  #own(name: string): string | undefined {
    return Object.hasOwn(this.#given.form, name) ? this.#given.form[name] : undefined
  }

  #value(field: FormField, message: string, isPassword: boolean): Value {
    const { name, kind, value } = field
    if (!isXmlName(name)) {
      return { error: protocolBroken(this.#server, 'a form field without a proper name') }
    }
    const own = this.#own(name)
    if (kind === 'choice') return this.#choose(field, own)
    if (kind === 'hidden') return { value: own ?? value }
    // Of a type that nobody knows: what is configured or said for it may well be a code.
    if (kind === 'other' && own === undefined && value !== '') return { value }
    if (kind === 'text' && /^(user|uname)/i.test(name)) {
      const user = own ?? this.username
      if (user !== undefined) return { value: user }
      const label = field.label || 'Username'
      return { ask: question('username', label, { secret: false, setting: 'username' }) }
    }
    return this.#secret(field, message, isPassword)
  }

  /** A password, a code, or any other text that is not the user's name. */
  #secret({ name, kind, label, value }: FormField, message: string, isPassword: boolean): Value {
    const configured = this.#own(name) ?? (isPassword ? this.#given.password : undefined)
    const key = isPassword ? 'password' : `form.${name}`
    const said = this.#heard(key)
    const used = this.#used.has(name)
    // What was sent and is asked for again was wrong; a wrong one is not sent twice.
    if (used && configured !== undefined) return { error: authFailed(this.username, message) }
    if (!used && configured !== undefined) return { value: configured, secret: true }
    if (!used && said !== undefined) return { value: said, secret: true }
    if (kind === 'text' && value !== '' && !used) return { value, secret: true }
    this.#used.delete(name)
    this.#said = Object.fromEntries(Object.entries(this.#said).filter(([field]) => field !== key))
    const what = question(key, label || message || name, {
      secret: kind !== 'text',
      once: !isPassword && kind !== 'text',
      refused: used,
      setting: key,
    })
    return { ask: what }
  }

  #choose({ name, choices }: FormField, wanted: string | undefined): Value {
    if (choices.length === 0) {
      return { error: unsupported(`a choice (${name}) without anything to choose`) }
    }
    if (wanted === undefined) {
      return { value: (choices.find(({ selected }) => selected) ?? choices[0])?.value ?? '' }
    }
    const found = choices.find(matches(wanted))
    if (found !== undefined) return { value: found.value }
    const known = choices.map(({ label, value }) => label || value)
    return { error: groupUnknown(wanted, known) }
  }
}

function isGroup({ kind, name }: FormField): boolean {
  return kind === 'choice' && GROUP_FIELDS.has(name)
}

/** A choice is named by its value or by what people read. */
function matches(wanted: string): (choice: { value: string; label: string }) => boolean {
  return ({ value, label }) => value === wanted || label === wanted
}
