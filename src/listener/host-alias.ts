/**
 * A web server that a browser knows by another name than its own (`HOST.ENV.pvpn.internal`): the server
 * gets its true name, and what it says of itself is turned back, so that redirects and cookies work.
 * Links inside of pages are left as they are.
 */
import { formatHostPort, parseIp } from '../core/ip.js'
import type { Connection } from './connection.js'

/** Fields of a request in which the browser names the page's own host. */
const REQUEST_FIELDS = new Set(['origin', 'referer', 'destination'])
/** Fields of an answer in which a server names itself. */
const ANSWER_FIELDS = new Set([
  'location',
  'content-location',
  'refresh',
  'access-control-allow-origin',
])

const URL_VALUE =
  /^((?:[0-9.]+[ \t]*[;,][ \t]*(?:url[ \t]*=[ \t]*)?['"]?)?(?:(?:https?|wss?):)?\/\/)([^/?#:[\]@]+|\[[^\]]*\])(?=[/?#:'"]|$)/i

export class HostAlias {
  /** As the browser has it, and the true one; lower case. */
  readonly #asked: string
  readonly #actual: string

  constructor(asked: string, actual: string) {
    this.#asked = asked.toLowerCase().replace(/\.$/, '')
    this.#actual = actual.toLowerCase()
  }

  /** `host[:port]` as the server is to see it. */
  authority(asked: string): string {
    const port = /:[0-9]*$/.exec(asked)?.[0] ?? ''
    return `${bracketed(this.#actual)}${port}`
  }

  /** Changes request fields (name and value in turn) in place. */
  request(fields: string[]): void {
    eachField(fields, (name, value) =>
      REQUEST_FIELDS.has(name) ? this.#replace(value, this.#asked, this.#actual) : value,
    )
  }

  /** Changes fields of an answer in place. */
  answer(fields: string[]): void {
    eachField(fields, (name, value) => {
      if (name === 'set-cookie') return this.#cookie(value)
      return ANSWER_FIELDS.has(name) ? this.#replace(value, this.#actual, this.#asked) : value
    })
  }

  /** The host of the URL that a field's value is (`Refresh`: has behind its seconds), where it is exactly `from`. */
  #replace(value: string, from: string, to: string): string {
    const match = URL_VALUE.exec(value)
    if (match === null) return value
    const [whole, before = '', host = ''] = match
    if (host.toLowerCase().replace(/\.$/, '') !== bracketed(from)) return value
    return `${before}${bracketed(to)}${value.slice(whole.length)}`
  }

  /** A cookie's Domain (RFC 6265 section 5.2.3), as far as it is one of the server's own. */
  #cookie(value: string): string {
    return value.replace(/;[ \t]*domain[ \t]*=[ \t]*\.?([^;]*)/gi, (_whole, text: string) => {
      const domain = text.trim().toLowerCase()
      const suffix = this.#asked.slice(this.#actual.length)
      const parallel = this.#asked === `${this.#actual}${suffix}` && !this.#isAddress
      const own = domain === this.#actual || this.#actual.endsWith(`.${domain}`)
      // A cookie for a whole top-level domain is nobody's to set: then it is this host's alone.
      if (!parallel || !own || (!domain.includes('.') && domain !== this.#actual)) return ''
      return `; Domain=${domain}${suffix}`
    })
  }

  get #isAddress(): boolean {
    return parseIp(this.#actual) !== undefined
  }
}

/** Undefined: the host was asked for by its own name. */
export function aliasOf({ admission }: Connection): HostAlias | undefined {
  if (admission === undefined) return undefined
  const { asked, host } = admission
  return asked.host === host ? undefined : new HostAlias(asked.host, host)
}

function bracketed(host: string): string {
  return formatHostPort(host, 0).replace(/:0$/, '')
}

function eachField(fields: string[], change: (name: string, value: string) => string): void {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    fields[i + 1] = change((fields[i] as string).toLowerCase(), fields[i + 1] as string)
  }
}
