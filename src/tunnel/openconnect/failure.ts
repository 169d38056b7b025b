/** The client's errors in the words that status shows, each with what to do. */
import { type ErrorCode, PvpnError } from '../../core/errors.js'
import { plainText } from '../../core/plain-text.js'
import { askFor, question } from '../../core/question.js'
import type { Millis } from '../../core/types.js'
import { OC_MESSAGE } from './limits.js'

/** Does another attempt make sense without a person? */
export function needsPerson(error: PvpnError): boolean {
  return (
    error.code === 'ERR_AUTH' || error.code === 'ERR_CONFIG' || error.code === 'ERR_UNSUPPORTED'
  )
}

const seconds = (time: Millis) => `${Math.round(time / 1000)} s`

export function unresolved(host: string): PvpnError {
  return new PvpnError('ERR_NAME', `server unreachable: the name ${host} does not resolve`, {
    hint: "check the url and this machine's own DNS",
  })
}

export function unreachable(where: string, time: Millis): PvpnError {
  return new PvpnError(
    'ERR_TIMEOUT',
    `server unreachable: no TLS connection to ${where} in ${seconds(time)}`,
    { hint: 'check the url: host and port' },
  )
}

export function noAnswer(where: string, time: Millis): PvpnError {
  return new PvpnError('ERR_TIMEOUT', `${where} has not answered in ${seconds(time)}`, {
    hint: "the server's log says why",
  })
}

export function silent(where: string, time: Millis): PvpnError {
  return new PvpnError('ERR_TIMEOUT', `nothing from ${where} for ${seconds(time)}`, {
    hint: 'the connection is made again',
  })
}

export function serverLeft(where: string, how: string): PvpnError {
  return new PvpnError('ERR_DOWN', `${where} ${how}`, { hint: 'the connection is made again' })
}

export function protocolBroken(where: string, what: string): PvpnError {
  return new PvpnError('ERR_PROTOCOL', `${where} broke the protocol: ${what}`)
}

/** `why` are the server's words, already shortened. */
export function authFailed(user: string | undefined, why: string): PvpnError {
  const who = user === undefined ? 'this login' : `user "${user}"`
  return new PvpnError(
    'ERR_AUTH',
    `auth failed: the server refused ${who}${why === '' ? '' : `: ${why}`}`,
    { hint: 'check username, password, authgroup and the fields of form' },
  )
}

/** `refused`: there was a password, and it was not the key's; `configured`: a person can't type another. */
export function keyLocked(refused: boolean, configured: boolean): PvpnError {
  if (configured) {
    return new PvpnError(
      'ERR_AUTH',
      'auth failed: the private key does not open with key_password',
      {
        hint: 'correct key_password, then: pvpn reload',
      },
    )
  }
  const asked = question('key_password', 'Password of the key', {
    setting: 'key_password',
    refused,
  })
  const why = refused ? 'auth failed: this password does not open the private key' : undefined
  return askFor('the private key', [asked], why)
}

/** A secret was given several times, and never a word came back: it may be counted as wrong. */
export function secretUnanswered(where: string, times: number): PvpnError {
  return new PvpnError(
    'ERR_AUTH',
    `auth failed: ${where} was given the password ${times} times and never answered`,
    { hint: "the server's log says why; check username and password, then: pvpn restart ENV" },
  )
}

export function groupUnknown(group: string, known: readonly string[]): PvpnError {
  const list = serverWords(known.join(', '))
  return new PvpnError(
    'ERR_CONFIG',
    `authgroup ${JSON.stringify(group)} is none of the server's: ${list}`,
    { hint: 'set authgroup to one of these' },
  )
}

export function unsupported(what: string): PvpnError {
  return new PvpnError('ERR_UNSUPPORTED', `the server wants ${what}, which this client can't do`, {
    hint: 'try engine: openconnect, or another group (authgroup)',
  })
}

export function notAnyConnect(where: string, what: string): PvpnError {
  return new PvpnError('ERR_CONFIG', `${where} is no AnyConnect server: ${what}`, {
    hint: 'check the url; for another kind of SSL-VPN use engine: openconnect with protocol',
  })
}

/** An answer that is neither yes nor no. */
export function badStatus(where: string, status: number, reason: string): PvpnError {
  const code: ErrorCode = status >= 500 ? 'ERR_DOWN' : 'ERR_PROTOCOL'
  const words = serverWords(reason)
  return new PvpnError(code, `${where} answered ${status}${words === '' ? '' : ` ${words}`}`, {
    hint: "the server's log says why",
  })
}

/** A server's words, fit for a line of ours. */
export function serverWords(text: string): string {
  return plainText(text, OC_MESSAGE)
}
