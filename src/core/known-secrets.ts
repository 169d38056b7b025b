/**
 * Blanks secrets out of words for people. A server may repeat what it was given, in the text of an error,
 * a question, a reason; so each environment passes every error through here before anybody sees it.
 */
import { base64 } from './base64.js'
import { PvpnError } from './errors.js'
import { KNOWN_SECRETS, QUESTION_LABEL } from './limits.js'
import type { TunnelOptions } from './options.js'
import { plainText } from './plain-text.js'
import type { Answers, Question } from './question.js'

const BLANK = '***'
/** Characters. A shorter secret is blanked as a word of its own only: it may be part of any other. */
const SHORT = 4

export class KnownSecrets {
  /** Longest first, as one may be part of another. */
  #texts: readonly string[] = []

  constructor(texts: readonly string[] = []) {
    this.#add(texts)
  }

  /** What a person has said to these questions is secret too, codes included. */
  answered(asks: readonly Question[], answers: Answers): void {
    const secret = asks.filter((one) => one.secret || one.once).map(({ field }) => field)
    this.#add(
      secret.flatMap((field) => (Object.hasOwn(answers, field) ? (answers[field] ?? '') : [])),
    )
  }

  blank(text: string): string {
    let out = text
    for (const secret of this.#texts) out = without(out, secret)
    return out
  }

  /** The same error without secrets in its words. */
  clean(error: PvpnError): PvpnError {
    const message = this.blank(error.message)
    const hint = error.hint === undefined ? undefined : this.blank(error.hint)
    const asks = error.asks.map((one) => this.#question(one))
    const same = asks.every(({ label, choices }, i) => {
      const before = error.asks[i]
      return label === before?.label && choices?.join('\n') === before.choices?.join('\n')
    })
    if (message === error.message && hint === error.hint && same) return error
    // Without its cause, which has the same words.
    return new PvpnError(error.code, message, { asks, ...(hint === undefined ? {} : { hint }) })
  }

  #question(one: Question): Question {
    // A choice with a secret in it can't be taken.
    const choices = one.choices?.filter((choice) => this.blank(choice) === choice)
    return {
      ...one,
      label: this.blank(one.label),
      ...(choices === undefined ? {} : { choices }),
    }
  }

  #add(texts: readonly string[]): void {
    const forms = texts.flatMap(formsOf).filter((text) => text !== '')
    const all = [...new Set([...this.#texts, ...forms])].sort((a, b) => b.length - a.length)
    this.#texts = all.slice(0, KNOWN_SECRETS)
  }
}

/** What a tunnel may give its server. */
export function secretsOf(tunnel: TunnelOptions): readonly string[] {
  switch (tunnel.type) {
    case 'openvpn':
      return given([tunnel.password, tunnel.challenge, tunnel.tls.keyPassword])
    case 'openconnect':
      return given([tunnel.password, tunnel.tls.keyPassword, ...Object.values(tunnel.form)])
    case 'ssh':
      return given(
        tunnel.hops.flatMap(({ password, keys }) => [password, ...keys.map((key) => key.password)]),
      )
    case 'http':
    case 'socks5': {
      const { username, password } = tunnel
      // As RFC 7617 sends them.
      const basic = password === undefined ? undefined : base64(`${username ?? ''}:${password}`)
      return given([password, basic])
    }
    case 'wireguard':
    case 'direct':
      return []
    default:
      return tunnel satisfies never
  }
}

function given(texts: readonly (string | undefined)[]): readonly string[] {
  return texts.filter((text) => text !== undefined)
}

/** As it was given, as it stands in a line of ours, and as it is sent inside other things. */
function formsOf(secret: string): readonly string[] {
  const forms = [secret, plainText(secret, secret.length)]
  if (secret.length < SHORT) return forms
  const coded = new URLSearchParams([['', secret]]).toString().slice(1)
  return [...forms, coded, coded.replaceAll('+', '%20'), base64(secret)]
}

function without(text: string, secret: string): string {
  if (secret.length < SHORT) {
    const word = secret.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    return text.replace(new RegExp(`(?<![\\p{L}\\p{N}])${word}(?![\\p{L}\\p{N}])`, 'gu'), BLANK)
  }
  const out = text.replaceAll(secret, BLANK)
  // Of longer words of a server the end is cut off: maybe in the middle.
  if (text.length < QUESTION_LABEL) return out
  for (let size = Math.min(secret.length - 1, out.length); size >= SHORT; size--) {
    if (out.endsWith(secret.slice(0, size))) return out.slice(0, -size) + BLANK
  }
  return out
}
