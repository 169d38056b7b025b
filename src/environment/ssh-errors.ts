/** What goes wrong between us and an SSH server, in words. */
import { PvpnError } from '../core/errors.js'

/** Not now; it is tried again. */
export function serverGone(words: string): PvpnError {
  return new PvpnError('ERR_DOWN', `server unreachable: ${words}`, {
    hint: 'check that the SSH server runs and lets you in; its log may say more',
  })
}

/** An error of the protocol layer; its words come from ssh2. */
export function protocolError(error: Error, where: string): PvpnError {
  const { message } = error
  if (/no matching/i.test(message)) {
    const what = /no matching (.*)$/i.exec(message)?.[1] ?? 'algorithm'
    return new PvpnError('ERR_CONFIG', `${what} not offered: nothing in common with ${where}`, {
      hint: 'what rests on SHA-1 or CBC is not supported; the server may be too old',
    })
  }
  if (/identification string|header|greeting/i.test(message)) {
    return new PvpnError('ERR_CONFIG', `${where} is no SSH server`, {
      cause: error,
      hint: 'check the host and the port',
    })
  }
  return new PvpnError('ERR_DOWN', `the SSH connection to ${where} broke: ${message}`, {
    cause: error,
    hint: 'its log may say more',
  })
}
