/** The client's errors in the words that status shows, each with what to do. */
import { PvpnError } from '../../core/errors.js'
import { plainText } from '../../core/plain-text.js'
import { askFor, type Question } from '../../core/question.js'
import type { Millis } from '../../core/types.js'

/** Why a connection ended. */
export interface Failure {
  readonly error: PvpnError
  /** - `retry`: the next remote; - `refused`: this remote needs a person; - `credentials`: they all do. */
  readonly kind: 'retry' | 'refused' | 'credentials'
  /** Not before this many milliseconds, when the server said so. */
  readonly wait?: Millis
  /** Where the next attempt goes, when the server said so: the same address, the next one, the next remote. */
  readonly advance?: 'no' | 'addr' | 'remote'
}

export function retry(error: PvpnError, wait?: Millis): Failure {
  return { error, kind: 'retry', ...(wait === undefined ? {} : { wait }) }
}

const seconds = (time: Millis) => `${Math.round(time / 1000)} s`

export function unreachable(remote: string, time: Millis): PvpnError {
  return new PvpnError(
    'ERR_TIMEOUT',
    `server unreachable: no answer from ${remote} in ${seconds(time)}`,
    {
      hint: 'check address, port and protocol, and the tls-auth or tls-crypt key: with a wrong one the server is silent',
    },
  )
}

export function unresolved(host: string): PvpnError {
  return new PvpnError('ERR_NAME', `server unreachable: the name ${host} does not resolve`, {
    hint: "check the remote's name and this machine's own DNS",
  })
}

export function handshakeTimeout(remote: string, time: Millis): PvpnError {
  return new PvpnError(
    'ERR_TIMEOUT',
    `the handshake with ${remote} was not done in ${seconds(time)}`,
    { hint: "the server's log says why; large packets may be lost on the way" },
  )
}

export function pushTimeout(remote: string, time: Millis): PvpnError {
  return new PvpnError(
    'ERR_TIMEOUT',
    `${remote} has not sent its configuration in ${seconds(time)}`,
    { hint: "the server's log says why; a password check may be waiting" },
  )
}

export function silent(remote: string, time: Millis): PvpnError {
  return new PvpnError('ERR_TIMEOUT', `nothing from ${remote} for ${seconds(time)}`, {
    hint: 'the connection is made again',
  })
}

export function serverLeft(remote: string, how: string): PvpnError {
  return new PvpnError('ERR_DOWN', `${remote} ${how}`, { hint: 'the connection is made again' })
}

/** `reason` is the server's, already shortened; `asks` what a person has to say for another try. */
export function authFailed(
  user: string | undefined,
  reason: string,
  asks: readonly Question[] = [],
): PvpnError {
  const who = user === undefined ? 'this certificate' : `user "${user}"`
  const why = reason === '' ? '' : `: ${reason}`
  const message = `auth failed: the server refused ${who}${why}`
  if (asks.length > 0) return askFor('the server', asks, message)
  return new PvpnError('ERR_AUTH', message, {
    hint:
      user === undefined
        ? 'ask for a user name and password, or whether the certificate is still good'
        : 'check username and password (and the one-time code)',
  })
}

/** `cipher`: what the server wants, where it says so. */
export function cipherNotOffered(
  cipher: string | undefined,
  offered: readonly string[],
): PvpnError {
  const ours = offered.join(':')
  return new PvpnError(
    'ERR_CONFIG',
    cipher === undefined
      ? `cipher not offered: the server takes none of ${ours}`
      : `cipher not offered: the server wants ${cipher}, this side offers ${ours}`,
    { hint: 'add it to data-ciphers if it is one of ours, or change the server' },
  )
}

/** The server waits until a person has logged in with a browser. */
export function loginWanted(remote: string, url: string): PvpnError {
  return new PvpnError('ERR_AUTH', `${remote} waits for a login: open ${url} in a browser`, {
    hint: 'the tunnel comes up once you have logged in there',
  })
}

export function loginTimeout(remote: string): PvpnError {
  return new PvpnError('ERR_AUTH', `auth failed: ${remote} has waited in vain for a login`, {
    hint: 'try again with: pvpn start ENV',
  })
}

export function compressionWanted(method: string): PvpnError {
  return new PvpnError('ERR_UNSUPPORTED', `the server wants compression (${method})`, {
    hint: 'it weakens the encryption and is refused: have it turned off on the server',
  })
}

/** `given`: what it gave instead. */
export function noAddress(given: readonly string[]): PvpnError {
  const what = given.length === 0 ? '' : ` that can be: ${given.join(', ')}`
  return new PvpnError('ERR_PROTOCOL', `the server gives the tunnel no address${what}`, {
    hint: "have the server give one (its ifconfig-pool), or set ifconfig in the tunnel's file",
  })
}

export function protocolBroken(remote: string, what: string): PvpnError {
  return new PvpnError('ERR_PROTOCOL', `${remote} broke the protocol: ${what}`)
}

/** Characters of a server's words that are shown. */
const SERVER_WORDS = 200

/** A server's words, fit for a line of ours. */
export function serverWords(text: string): string {
  return plainText(text, SERVER_WORDS)
}
