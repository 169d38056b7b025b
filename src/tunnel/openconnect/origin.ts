/** Where an AnyConnect server is: `https` URLs, and what a server may make of them. */
import { formatHostPort } from '../../core/ip.js'

export interface Origin {
  /** A name, or an IP literal (IPv6 without brackets). */
  readonly host: string
  readonly port: number
}

export interface Place extends Origin {
  /** Begins with `/`; with the query. */
  readonly path: string
}

const HTTPS_PORT = 443
const MOST_TEXT = 2048

/** `https://HOST[:PORT][/PATH]`; undefined for anything else, also for one with a user in it. */
export function parsePlace(text: string): Place | undefined {
  const found =
    /^https:\/\/(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(\d{1,5}))?(\/[!-~]*)?$/i.exec(
      text,
    )
  if (found === null || text.length > MOST_TEXT) return undefined
  const port = found[2] === undefined ? HTTPS_PORT : Number(found[2])
  if (port < 1 || port > 65_535) return undefined
  const host = (found[1] as string).replace(/^\[|\]$/g, '').toLowerCase()
  return { host, port, path: (found[3] ?? '/').replace(/#.*$/, '') }
}

/** What a reference in an answer of `base` means (RFC 3986 section 5, as far as servers use it); undefined: nothing usable. */
export function resolvePlace(base: Place, reference: string): Place | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(reference)) return parsePlace(reference)
  if (reference.startsWith('//')) return parsePlace(`https:${reference}`)
  if (reference.length > MOST_TEXT || !/^[!-~]*$/.test(reference)) return undefined
  const clean = reference.replace(/#.*$/, '')
  if (clean === '') return base
  if (clean.startsWith('/')) return { ...base, path: clean }
  const folder = base.path.replace(/\?.*$/, '').replace(/[^/]*$/, '')
  return { ...base, path: `${folder}${clean}` }
}

export function sameOrigin(a: Origin, b: Origin): boolean {
  return a.host === b.host && a.port === b.port
}

/** For the Host field and for people: the port only when it is not the usual one. */
export function formatOrigin({ host, port }: Origin): string {
  const text = formatHostPort(host, port)
  return port === HTTPS_PORT ? text.slice(0, text.lastIndexOf(':')) : text
}
