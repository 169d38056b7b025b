/** Challenges in the server's words: CRV1 of a refusal, CR_TEXT of a pending login (management-notes.txt). */
import { OVPN_CHALLENGE_STATE } from './limits.js'

export interface DynamicChallenge {
  /** What the server knows it by. */
  readonly state: string
  /** User name that goes with the answer; empty: the same as before. */
  readonly user: string
  readonly text: string
  /** May the answer be seen while it is typed? */
  readonly echo: boolean
}

/**
 * The reason of an AUTH_FAILED: `CRV1:FLAGS:STATE:USER:TEXT`, the user in base64, FLAGS with `R` where
 * an answer is wanted and `E` where it may be seen. Undefined: it is no challenge that can be answered.
 */
export function readDynamicChallenge(reason: string): DynamicChallenge | undefined {
  const found = /^CRV1:([^:]*):([^:]*):([^:]*):(.*)$/s.exec(reason)
  if (found === null) return undefined
  const [, flags = '', state = '', user = '', text = ''] = found
  const name = fromBase64(user)
  if (!flags.split(',').includes('R') || state === '' || name === undefined) return undefined
  if (state.length > OVPN_CHALLENGE_STATE || !/^[!-~]*$/.test(state)) return undefined
  return { state, user: name, text, echo: flags.split(',').includes('E') }
}

/** What `INFO_PRE` says while the server waits. */
export type PendingLogin =
  | { readonly kind: 'open'; readonly url: string }
  | { readonly kind: 'text'; readonly text: string; readonly echo: boolean }

/** `WEB_AUTH:FLAGS:URL`, `OPEN_URL:URL` or `CR_TEXT:FLAGS:TEXT`; undefined for anything else. */
export function readPendingLogin(words: string): PendingLogin | undefined {
  const url = /^(?:WEB_AUTH:[^:]*|OPEN_URL):(.*)$/.exec(words)?.[1]
  if (url !== undefined) {
    // Only what a browser may be sent to, and nothing that a terminal would take as more than text.
    const good = /^https?:\/\/[!-~]+$/.test(url) && url.length <= OVPN_CHALLENGE_STATE
    return good ? { kind: 'open', url } : undefined
  }
  const [, flags, text] = /^CR_TEXT:([^:]*):(.*)$/s.exec(words) ?? []
  if (flags === undefined || text === undefined || !flags.split(',').includes('R')) return undefined
  return { kind: 'text', text, echo: flags.split(',').includes('E') }
}

function fromBase64(text: string): string | undefined {
  try {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
    const name = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return /\p{Cc}/u.test(name) ? undefined : name
  } catch {
    return undefined
  }
}
