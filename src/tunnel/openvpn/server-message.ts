/** Control messages of the server behind the key exchange. */

import { PvpnError } from '../../core/errors.js'
import type { Millis } from '../../core/types.js'
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
  ended(failure: Failure): void
  readonly credentials: Credentials
  readonly remote: string
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

function refusal(reason: string, { credentials, remote, ciphers }: MessageHandler): Failure {
  const user = credentials.username
  if (reason.startsWith('TEMP')) {
    const wait = Number(/backoff (\d{1,5})/.exec(reason)?.[1] ?? TEMPORARY_WAIT)
    const words = serverWords(reason.replace(/^TEMP(?:\[[^\]]*\])?:?/, ''))
    return retry(serverLeft(remote, `refuses for the moment: ${words}`), wait * SECOND)
  }
  if (/^SESSION/.test(reason) || credentials.hasToken) {
    // The token has expired; the password may do.
    credentials.forgetToken()
    return retry(authFailed(user, 'the session has expired'))
  }
  if (/cipher negotiation failed/i.test(reason)) {
    return { error: cipherNotOffered(undefined, ciphers), kind: 'refused' }
  }
  const challenge = /^CRV1:[^:]*:[^:]*:[^:]*:(.*)$/.exec(reason)?.[1]
  const words = challenge === undefined ? reason : `it asks: ${challenge}`
  return { error: authFailed(user, serverWords(words)), kind: 'credentials' }
}
