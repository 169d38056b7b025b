/**
 * Who may ask the control port. A browser is the attacker here: any page can make it send requests to
 * loopback, and by DNS rebinding under a name of its own. What it can't do is choose Host, Origin and
 * Sec-Fetch-Site, nor know the token.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { parseHostPort, parseIp } from '../core/ip.js'
import { isLoopback } from '../core/listen-address.js'
import { type GuardOptions, holdsCookie, holdsToken } from './credentials.js'

export interface Refusal {
  readonly status: 401 | 403 | 421
  readonly code: 'ERR_AUTH' | 'ERR_DENIED'
  readonly message: string
}

export interface GuardedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

/** Undefined: go on. */
export function guard(request: GuardedRequest, options: GuardOptions): Refusal | undefined {
  const { headers } = request
  const changes = request.method !== 'GET' && request.method !== 'HEAD'
  if (!ourHost(headers.host, options.address)) {
    return { status: 421, code: 'ERR_DENIED', message: 'this is not the host that was asked for' }
  }
  if (crossSite(headers, changes) && !open(request, headers)) {
    return { status: 403, code: 'ERR_DENIED', message: 'requests of other sites are refused' }
  }
  // Off loopback anybody can ask: then reading needs the token too, but for what says nothing.
  const needsToken = changes || (!isLoopback(options.address) && !tellsNothing(request.path))
  if (!needsToken || SIGNING_IN.test(request.path)) return undefined
  if (holdsToken(headers, options)) return undefined
  // The cookie comes by itself: a change must be seen to come from our own page.
  const ours = !changes || fromOurPage(headers)
  if (ours && holdsCookie(headers, options)) return undefined
  return {
    status: 401,
    code: 'ERR_AUTH',
    message: 'this needs the bearer token (file `token` in the runtime folder)',
  }
}

const SIGNING_IN = /^\/api\/v1\/session$/

/** Signs of life, and the page itself, which asks for the token. */
function tellsNothing(path: string): boolean {
  return /^\/(healthz|readyz|page\/[a-z.-]+)?$/.test(path)
}

function fromOurPage(headers: IncomingHttpHeaders): boolean {
  return headers['sec-fetch-site'] === 'same-origin' || headers.origin === `http://${headers.host}`
}

/**
 * Is the Host an address, which no foreign page can make its own, or `localhost`? Any port is fine:
 * it is another one behind a port forward. A listening address of `0.0.0.0` or `::` takes every literal.
 */
function ourHost(host: string | undefined, address: string): boolean {
  if (host === undefined) return false
  const whole = host.includes(':') ? /^\[(.*)\]$/.exec(host)?.[1] : host
  const name = (parseHostPort(host)?.host ?? whole ?? '').toLowerCase()
  const loopback = isLoopback(address)
  if (name === 'localhost') return loopback
  if (parseIp(name) === undefined) return false
  if (loopback) return isLoopback(name)
  return name === address || address === '0.0.0.0' || address === '::'
}

/** Does another site's page ask? Programs that are no browsers send neither header. */
function crossSite(headers: IncomingHttpHeaders, changes: boolean): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  const { origin } = headers
  if (origin === undefined) return false
  return (changes || site === undefined) && origin !== `http://${headers.host}`
}

/** A link to our page, and what browsers fetch for themselves, may come from anywhere: nothing in it can be read by others. */
function open(request: GuardedRequest, headers: IncomingHttpHeaders): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false
  if (/^\/(proxy\.pac|wpad\.dat|healthz|readyz)$/.test(request.path)) return true
  return request.path === '/' && headers['sec-fetch-mode'] === 'navigate'
}
