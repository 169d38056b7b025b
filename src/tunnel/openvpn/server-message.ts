/** Control messages of the server behind the key exchange. */

import { PvpnError } from '../../core/errors.js'
import { askFor } from '../../core/question.js'
import type { Millis } from '../../core/types.js'
import { type PendingLogin, readDynamicChallenge, readPendingLogin } from './challenge.js'
import type { Credentials } from './credentials.js'
import {
  authFailed,
  cipherNotOffered,
  type Failure,
  retry,
  serverLeft,
  serverWords,
} from './failure.js'

export interface MessageHandler {
  /** The options of one PUSH_REPLY; `more`: further messages belong to it. */
  push(options: string, more: boolean): void
  /** The server waits for something (a second factor) and asks for this much patience. */
  pending(time: Millis): void
  /** What it waits for. */
  login(wanted: PendingLogin): void
  ended(failure: Failure): void
  readonly credentials: Credentials
  readonly remote: string
  /** Its name or address alone. */
  readonly host: string
  /** Was the connection up? */
  readonly up: boolean
  readonly ciphers: readonly string[]
}

/** Seconds until an attempt that the server has refused for the moment is made again. */
const TEMPORARY_WAIT = 10
const SECOND = 1000
/** A server may not make us wait longer. */
const MOST_PENDING = 300

/** Unknown messages are ignored. */
export function readControlMessage(text: string, handler: MessageHandler): void {
  const comma = text.indexOf(',')
  const word = comma < 0 ? text : text.slice(0, comma)
  const rest = comma < 0 ? '' : text.slice(comma + 1)
  switch (word) {
    case 'PUSH_REPLY':
      handler.push(rest, /(?:^|,)push-continuation 2(?:,|$)/.test(rest))
      break
    case 'AUTH_FAILED':
      handler.ended(refusal(rest, handler))
      break
    case 'AUTH_PENDING': {
      const asked = Number(/(?:^|,)timeout (\d{1,6})/.exec(rest)?.[1] ?? 60)
      handler.pending(Math.min(asked, MOST_PENDING) * SECOND)
      break
    }
    case 'INFO_PRE': {
      const wanted = readPendingLogin(rest)
      if (wanted !== undefined) handler.login(wanted)
      break
    }
    case 'RESTART':
      handler.ended(retry(serverLeft(handler.remote, 'restarts')))
      break
    case 'EXIT':
      handler.ended(retry(serverLeft(handler.remote, 'has ended the connection')))
      break
    case 'HALT':
      handler.ended({
        error: new PvpnError(
          'ERR_DENIED',
          `${handler.remote} has told this client to stop: ${serverWords(rest)}`,
        ),
        kind: 'credentials',
      })
      break
    default:
  }
}

function refusal(reason: string, handler: MessageHandler): Failure {
  const { credentials, remote, host, ciphers } = handler
  const user = credentials.username
  if (reason.startsWith('TEMP')) return temporary(reason, remote)
  if (/^SESSION/.test(reason) || credentials.hasToken || handler.up) {
    // The token has expired; the password may do.
    credentials.forgetToken()
    return retry(authFailed(user, 'the session has expired'))
  }
  if (/cipher negotiation failed/i.test(reason)) {
    return { error: cipherNotOffered(undefined, ciphers), kind: 'refused' }
  }
  const challenge = readDynamicChallenge(reason)
  if (challenge !== undefined) {
    const again = credentials.challenged(challenge)
    const asks = credentials.questions
    const why = `auth failed: ${host} refused the last answer, and asks for "${asks[0]?.label}"`
    return { error: askFor(host, asks, again ? why : undefined), kind: 'credentials' }
  }
  const shown = serverWords(reason.replace(/^CRV1:[^:]*:[^:]*:[^:]*:/, ''))
  // The answer to a challenge was wrong: the password brings the next challenge.
  if (!credentials.refused()) return retry(authFailed(user, shown))
  return { error: authFailed(user, shown, credentials.questions), kind: 'credentials' }
}

/** `TEMP[backoff SECONDS,advance no|addr|remote]: WORDS`. */
function temporary(reason: string, remote: string): Failure {
  const [, flags = '', words = ''] = /^TEMP(?:\[([^\]]*)\])?:?(.*)$/s.exec(reason) ?? []
  const wait = Number(/\bbackoff (\d{1,5})/.exec(flags)?.[1] ?? TEMPORARY_WAIT)
  const advance = /\badvance (no|addr|remote)\b/.exec(flags)?.[1] as Failure['advance']
  const failure = retry(
    serverLeft(remote, `refuses for the moment: ${serverWords(words)}`),
    wait * SECOND,
  )
  return advance === undefined ? failure : { ...failure, advance }
}
