/** What shows that a request is the owner's: the token, or the cookie that a browser got for it. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export interface GuardOptions {
  /** Address that the control port listens on. */
  readonly address: string
  readonly token: string
}

/** Is it the owner who asks: by token, by cookie, or by the control socket (no guard)? */
export function isOwner(headers: IncomingHttpHeaders, guarded: GuardOptions | undefined): boolean {
  return guarded === undefined || holdsToken(headers, guarded) || holdsCookie(headers, guarded)
}

export function holdsToken(headers: IncomingHttpHeaders, { token }: GuardOptions): boolean {
  const given = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? ''
  return sameText(given, token)
}

/** Did this browser sign in? Which page made it ask is the guard's to look at. */
export function holdsCookie(headers: IncomingHttpHeaders, { token }: GuardOptions): boolean {
  const wanted = cookieName(headers)
  for (const pair of (headers.cookie ?? '').split(';')) {
    const [name, value] = pair.trim().split('=', 2)
    if (name === wanted) return sameText(value ?? '', cookieValue(token))
  }
  return false
}

/** Browsers give cookies to every port of a host; the name keeps those of two gateways apart. */
export function cookieName(headers: IncomingHttpHeaders): string {
  return `pvpn-${/:(\d+)$/.exec(headers.host ?? '')?.[1] ?? '80'}`
}

/** Made from the token: it ends with it, at the gateway's next start, and does not tell it. */
export function cookieValue(token: string): string {
  return createHmac('sha256', token).update('pvpn dashboard').digest('base64url')
}

/** Compares digests, so that neither length nor content shows in the time it takes. */
export function sameText(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
