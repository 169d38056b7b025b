/** The request-target forms that a proxy meets (RFC 9112 section 3.2). */
import { parseHostPort, parseIpv6 } from '../core/ip.js'
import type { Target } from '../core/types.js'

export interface AbsoluteTarget {
  readonly target: Target
  /** The authority as it was written: what the Host field must say (RFC 9112 section 3.2.2). */
  readonly authority: string
  /** Path and query in origin-form, as they were written; `*` for OPTIONS of a whole server. */
  readonly path: string
}

export type TargetProblem = 'scheme' | 'syntax' | 'userinfo'

/** Of an absolute-form target with scheme `http` (or `ws`, which some clients write). */
export function parseAbsoluteTarget(method: string, text: string): AbsoluteTarget | TargetProblem {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^#]*)$/i.exec(text)
  if (match === null) return 'syntax'
  const [, scheme = '', authority = '', rest = ''] = match
  if (!/^(http|ws)$/i.test(scheme)) return 'scheme'
  if (authority.includes('@')) return 'userinfo'
  const target = parseAuthority(authority, 80)
  if (target === undefined) return 'syntax'
  // RFC 9112 section 3.2.4: OPTIONS without a path asks about the server as a whole.
  if (rest === '' && method === 'OPTIONS') return { target, authority, path: '*' }
  return { target, authority, path: rest.startsWith('/') ? rest : `/${rest}` }
}

/** `host`, `host:port`, `[v6]` or `[v6]:port`; without a default port the port must be there. */
export function parseAuthority(text: string, defaultPort?: number): Target | undefined {
  const bare = text.endsWith(':') ? text.slice(0, -1) : text
  const hasPort = /:[0-9]+$/.test(bare) && !/^\[[^\]]*$/.test(bare)
  if (!hasPort && defaultPort === undefined) return undefined
  const found = parseHostPort(hasPort ? bare : `${bare}:${defaultPort}`)
  if (found === undefined) return undefined
  // Brackets are for IPv6 alone (RFC 3986 section 3.2.2).
  if (bare.startsWith('[') && parseIpv6(found.host) === undefined) return undefined
  return found
}
