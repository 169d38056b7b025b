/** What the installed openconnect printed before it ended, in the client's usual words. */
import { PvpnError } from '../../core/errors.js'
import type { ProgramEnd } from '../../core/tunnel-program.js'
import { authFailed, serverWords, unresolved } from './failure.js'

export interface EngineNames {
  readonly host: string
  readonly username: string | undefined
  readonly password: string | undefined
}

/** A server that is out of order (5xx) has not looked at what it was given. */
export function isOutOfOrder({ output }: ProgramEnd): boolean {
  return /^Unexpected 5\d\d result from server/m.test(output)
}

/** The program ends again and again after the login began, in words that are not known here. */
export function engineGivesUp(times: number, { message }: PvpnError): PvpnError {
  return new PvpnError(
    'ERR_AUTH',
    `auth failed: the password was given ${times} times and no tunnel came of it: ${message}`,
    { hint: 'check username, password and authgroup, then: pvpn restart ENV' },
  )
}

/** The words by which the login was refused; undefined: it was not. */
export function engineRefusal(
  { output }: ProgramEnd,
  { password }: EngineNames,
): string | undefined {
  const words = /Login failed[^\n]*|Authentication fail[^\n]*|Permission denied[^\n]*/i
  const found = words.exec(withoutPassword(output, password))
  return found === null ? undefined : serverWords(found[0].trim())
}

export function engineError(end: ProgramEnd, names: EngineNames): PvpnError {
  const { missing, output } = end
  const { host, username, password } = names
  if (missing === 'program') {
    return new PvpnError('ERR_UNSUPPORTED', 'openconnect is not installed', {
      hint: 'apt install openconnect',
    })
  }
  if (missing === 'relay') {
    return new PvpnError('ERR_UNSUPPORTED', 'engine: openconnect needs the native parts of pvpn', {
      hint: 'install a C and C++ compiler and run npm ci again',
    })
  }
  const text = withoutPassword(output, password)
  const found = (pattern: RegExp) => {
    const match = pattern.exec(text)
    return match === null ? undefined : serverWords((match[1] ?? match[0]).trim())
  }
  const refusedCertificate = found(/certificate[^\n]*failed verification[^\n]*\s+Reason: ([^\n]*)/i)
  if (refusedCertificate !== undefined) {
    const pin = found(/pin-sha256:[A-Za-z0-9+/=]{44}/)
    const seen = pin === undefined ? '' : `; its key is ${pin}`
    return new PvpnError(
      'ERR_AUTH',
      `the certificate of ${host} is refused: ${refusedCertificate}${seen}`,
      { hint: 'this may not be the server; or set ca or server_pin' },
    )
  }
  if (found(/none of the \d+ fingerprint|fingerprint[^\n]*(?:not|mismatch)/i) !== undefined) {
    return new PvpnError('ERR_AUTH', `the key of ${host} is another than server_pin says`, {
      hint: 'this may not be the server; or set server_pin to its new key',
    })
  }
  const refused = engineRefusal(end, names)
  if (refused !== undefined) return authFailed(username, refused)
  const own = found(/Failed to (?:open|load|read)[^\n]*(?:certificate|key|file)[^\n]*/i)
  if (own !== undefined) {
    return new PvpnError('ERR_CONFIG', `openconnect: ${own}`, {
      hint: 'check ca, certificate and key',
    })
  }
  if (found(/unrecognized option|Unknown VPN protocol|invalid option/i) !== undefined) {
    return new PvpnError('ERR_UNSUPPORTED', 'the installed openconnect is too old for this', {
      hint: 'openconnect 9 or newer is needed',
    })
  }
  if (found(/getaddrinfo failed/) !== undefined) return unresolved(host)
  const words = serverWords(text.trim().split('\n').at(-1) ?? '')
  return new PvpnError('ERR_DOWN', `openconnect has ended${words === '' ? '' : `: ${words}`}`, {
    hint: 'the connection is made again',
  })
}

function withoutPassword(output: string, password: string | undefined): string {
  return password ? output.replaceAll(password, '***') : output
}
