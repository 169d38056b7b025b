/** Why a server did not open a channel (RFC 4254 section 5.1), as the cause that programs are told. */
import { type ErrorCode, PvpnError } from '../../core/errors.js'

const PROHIBITED = 1
const CONNECT_FAILED = 2
const UNKNOWN_TYPE = 3
const SHORTAGE = 4

/** The reason of RFC 4254 for a channel that we do not take. */
export const REFUSE = { prohibited: PROHIBITED, connectFailed: CONNECT_FAILED, shortage: SHORTAGE }

/** Words of strerror() and gai_strerror() in glibc, musl, the BSDs, macOS and of Windows' OpenSSH. */
const WORDS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/refused/i, 'ERR_REFUSED'],
  [/timed out|timeout/i, 'ERR_TIMEOUT'],
  [/temporary failure|try again|non-recoverable/i, 'ERR_RESOLVER'],
  [/not known|no address associated|does not resolve|unknown host|no such host/i, 'ERR_NAME'],
  [
    /network is unreachable|network unreachable|network is down|address family/i,
    'ERR_NET_UNREACHABLE',
  ],
  [/no route to host|host is unreachable|host unreachable|host is down/i, 'ERR_HOST_UNREACHABLE'],
  [/reset by peer/i, 'ERR_REFUSED'],
]

/** `where` is the target; the server's text is cut, as it is a stranger's. */
export function openFailure(reason: number, text: string, where: string): PvpnError {
  const words = text.replace(/[^\x20-\x7e]/g, ' ').slice(0, 120)
  if (reason === PROHIBITED || reason === UNKNOWN_TYPE) {
    return new PvpnError('ERR_DENIED', `${where}: the SSH server does not allow it (${words})`, {
      hint: 'AllowTcpForwarding and PermitOpen of the server say what may be reached',
    })
  }
  if (reason === SHORTAGE) {
    return new PvpnError('ERR_LIMIT', `${where}: the SSH server has no resources left (${words})`)
  }
  const code = WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? 'ERR_HOST_UNREACHABLE'
  return new PvpnError(code, `${where}: the SSH server could not connect (${words})`)
}
