/** Errors of the host's system calls as PvpnErrors. */
import { type ErrorCode, PvpnError } from '../core/errors.js'

const CODES: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'ERR_REFUSED',
  ECONNRESET: 'ERR_RESET',
  ECONNABORTED: 'ERR_RESET',
  EPIPE: 'ERR_RESET',
  EHOSTUNREACH: 'ERR_HOST_UNREACHABLE',
  EHOSTDOWN: 'ERR_HOST_UNREACHABLE',
  ENETUNREACH: 'ERR_NET_UNREACHABLE',
  ENETDOWN: 'ERR_NET_UNREACHABLE',
  EADDRNOTAVAIL: 'ERR_NET_UNREACHABLE',
  EAFNOSUPPORT: 'ERR_NET_UNREACHABLE',
  EINVAL: 'ERR_NET_UNREACHABLE',
  EACCES: 'ERR_DENIED',
  EPERM: 'ERR_DENIED',
  ETIMEDOUT: 'ERR_TIMEOUT',
  ENOTFOUND: 'ERR_NAME',
  ENODATA: 'ERR_NAME',
  EAI_NODATA: 'ERR_NAME',
  EAI_FAIL: 'ERR_RESOLVER',
  EAI_AGAIN: 'ERR_RESOLVER',
  ESERVFAIL: 'ERR_RESOLVER',
  EREFUSED: 'ERR_RESOLVER',
  EMFILE: 'ERR_LIMIT',
  ENFILE: 'ERR_LIMIT',
  ENOBUFS: 'ERR_LIMIT',
  EADDRINUSE: 'ERR_LIMIT',
  ABORT_ERR: 'ERR_ABORTED',
}

/**
 * The PvpnError of what a socket or resolver of the host threw; `what` begins its message. Of an
 * AggregateError (several addresses were tried) the last attempt counts.
 */
export function fromSystemError(thrown: unknown, what: string): PvpnError {
  if (thrown instanceof PvpnError) return thrown
  if (thrown instanceof AggregateError && thrown.errors.length > 0) {
    return fromSystemError(thrown.errors.at(-1), what)
  }
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  const known = CODES[code]
  const detail = thrown instanceof Error ? thrown.message : String(thrown)
  return new PvpnError(known ?? 'ERR_INTERNAL', `${what}: ${detail}`, { cause: thrown })
}
