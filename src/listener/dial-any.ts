/** One connection to whichever of several addresses answers first, begun one after another (RFC 8305 section 5). */
import type { Environment } from '../core/environment.js'
import { PvpnError } from '../core/errors.js'
import type { ByteStream } from '../core/stream.js'
import { DIAL_ATTEMPT_DELAY } from './limits.js'

/** Rejects with the first address's error when none answers, ERR_NAME without any address. */
export function dialAny(
  environment: Environment,
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<ByteStream> {
  if (addresses.length === 0) {
    return Promise.reject(new PvpnError('ERR_NAME', 'the name has no address'))
  }
  return new Promise((resolve, reject) => {
    const attempts = new Set<AbortController>()
    let next = 0
    let timer: NodeJS.Timeout | undefined
    let settled = false
    let failure: unknown
    const settle = () => {
      settled = true
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      for (const attempt of attempts) attempt.abort()
    }
    const abort = () => {
      settle()
      reject(new PvpnError('ERR_ABORTED', 'the client has gone'))
    }
    const begin = () => {
      clearTimeout(timer)
      const host = addresses[next++]
      if (host === undefined) return
      const attempt = new AbortController()
      attempts.add(attempt)
      environment.dial({ host, port }, { signal: attempt.signal }).then(
        (stream) => {
          attempts.delete(attempt)
          if (settled) {
            stream.abort()
            return
          }
          settle()
          resolve(stream)
        },
        (error: unknown) => {
          attempts.delete(attempt)
          if (settled) return
          failure ??= error
          if (next < addresses.length) begin()
          else if (attempts.size === 0) {
            settle()
            reject(failure)
          }
        },
      )
      if (next < addresses.length) timer = setTimeout(begin, DIAL_ATTEMPT_DELAY)
    }
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    else begin()
  })
}
