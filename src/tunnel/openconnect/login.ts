/**
 * The login at an AnyConnect server as a machine: answers in, requests out. No secret is in anything
 * but the requests, and those with a secret go only where a form came from.
 */
import type { PvpnError } from '../../core/errors.js'
import type { Answers as Said } from '../../core/question.js'
import type { Bytes } from '../../core/types.js'
import { Answers, type Credentials } from './answers.js'
import {
  type Form,
  initMessage,
  parseServerMessage,
  replyMessage,
  type ServerMessage,
} from './auth-message.js'
import { Cookies } from './cookies.js'
import {
  authFailed,
  badStatus,
  notAnyConnect,
  protocolBroken,
  serverWords,
  unsupported,
} from './failure.js'
import type { HttpAnswer } from './http-answer.js'
import { OC_FORMS, OC_REDIRECTS } from './limits.js'
import { formatOrigin, type Place, resolvePlace, sameOrigin } from './origin.js'

/** Servers look at its beginning. */
export const USER_AGENT = 'Open AnyConnect VPN Agent v9.01 (pvpn)'
export const CLIENT_VERSION = 'v9.01'

export interface LoginOptions extends Credentials {
  readonly place: Place
  /** A client certificate was shown. */
  readonly hasCertificate: boolean
}

/** What opens the tunnel, and where. */
export interface Session {
  readonly place: Place
  /** Of the Cookie field. */
  readonly cookie: string
}

export type LoginStep =
  /** Send this to the place's server, which may be another one than before. */
  | {
      readonly kind: 'ask'
      readonly place: Place
      readonly request: Bytes
      /** A secret is in it: it is not sent twice. */
      readonly secret: boolean
    }
  | { readonly kind: 'done'; readonly session: Session }
  /** `asks`: it goes on by `hear`. */
  | { readonly kind: 'failed'; readonly error: PvpnError; readonly asks: boolean }

interface Pending {
  readonly form: Form
  readonly message: string
  readonly opaque: string
}

export class Login {
  readonly #o: LoginOptions
  #cookies = new Cookies()
  readonly #answers: Answers
  #place: Place
  #group: string | undefined
  #certificateAsked = false
  #forms = 0
  #redirects = 0
  /** The form that waits for a person. */
  #pending: Pending | undefined

  constructor(options: LoginOptions) {
    this.#o = options
    this.#place = options.place
    this.#answers = new Answers(options, formatOrigin(options.place))
  }

  /** The first request. */
  begin(): LoginStep {
    const { host, port, path } = this.#place
    const body = initMessage({
      version: CLIENT_VERSION,
      access: `https://${formatOrigin({ host, port })}${path}`,
      group: this.#group,
      noCertificate: this.#certificateAsked,
    })
    return this.#ask(body, false)
  }

  answer(answer: HttpAnswer): LoginStep {
    const { status, reason, fields, body } = answer
    for (const [name, value] of fields) if (name === 'set-cookie') this.#cookies.take(value)
    if (status >= 300 && status < 400) {
      return this.#redirect(fields.find(([name]) => name === 'location')?.[1] ?? '')
    }
    if (status === 401 || status === 403) {
      const asks = fields.some(([name]) => name === 'www-authenticate')
      return asks
        ? failed(unsupported('an HTTP login (Basic, Negotiate)'))
        : failed(authFailed(this.#answers.username, serverWords(reason)))
    }
    if (status === 404 || status === 405)
      return failed(notAnyConnect(this.#where, `${status} ${serverWords(reason)}`))
    if (status !== 200) return failed(badStatus(this.#where, status, reason))
    const text = new TextDecoder().decode(body).replace(/^\ufeff/, '')
    if (!/^\s*<(\?xml|config-auth|auth[\s>])/.test(text)) {
      return failed(notAnyConnect(this.#where, 'it answers with a web page'))
    }
    return this.#message(parseServerMessage(text))
  }

  /** A person has answered what a step that failed asked. */
  hear(said: Said): LoginStep {
    this.#answers.hear(said)
    if (this.#answers.passwordRefused) this.#anew()
    return this.#pending === undefined ? this.begin() : this.#fill(this.#pending)
  }

  /** ocserv 1.1 takes no right password after a wrong one in the same session. */
  #anew(): void {
    this.#answers.forgetSent()
    this.#cookies = new Cookies()
    this.#pending = undefined
    this.#forms = 0
  }

  /** Has a secret been sent? */
  get gaveSecret(): boolean {
    return this.#answers.gaveSecret
  }

  get #where(): string {
    return formatOrigin(this.#place)
  }

  #message(message: ServerMessage): LoginStep {
    switch (message.kind) {
      case 'broken':
        return failed(protocolBroken(this.#where, message.why))
      case 'unsupported':
        return failed(unsupported(message.what))
      case 'refused':
        return failed(authFailed(this.#answers.username, message.message))
      case 'certificate':
        return this.#withoutCertificate()
      case 'complete':
        return this.#complete(message.token)
      case 'request':
        return this.#form(message.form, message.error || message.message, message.opaque)
      default:
        return message satisfies never
    }
  }

  #withoutCertificate(): LoginStep {
    if (this.#o.hasCertificate || this.#certificateAsked) {
      return failed(
        authFailed(this.#answers.username, 'the server wants another client certificate'),
      )
    }
    this.#certificateAsked = true
    return this.begin()
  }

  #complete(token: string | undefined): LoginStep {
    const cookie = token ?? this.#cookies.get('webvpn')
    if (cookie === undefined || !/^[!-:<-~]{1,4096}$/.test(cookie)) {
      return failed(protocolBroken(this.#where, 'a login that is complete, and no cookie'))
    }
    return { kind: 'done', session: { place: this.#place, cookie: `webvpn=${cookie}` } }
  }

  #form(form: Form, message: string, opaque: string): LoginStep {
    if (++this.#forms > OC_FORMS) return failed(protocolBroken(this.#where, 'forms without end'))
    const group = this.#answers.groupToAsk(form)
    if (group !== undefined && group !== this.#group) {
      // Each group has forms of its own.
      this.#group = group
      return this.begin()
    }
    return this.#fill({ form, message, opaque })
  }

  #fill(pending: Pending): LoginStep {
    const { form, message, opaque } = pending
    const action = form.action === '' ? this.#place : resolvePlace(this.#place, form.action)
    if (action === undefined || !sameOrigin(action, this.#place)) {
      return failed(protocolBroken(this.#where, 'a form whose answer is for somebody else'))
    }
    const filled = this.#answers.fill(form, message)
    this.#pending = filled.kind === 'failed' && filled.asks ? pending : undefined
    if (filled.kind === 'failed') return filled
    this.#place = action
    const { fields, group, secret } = filled
    return this.#ask(replyMessage({ version: CLIENT_VERSION, fields, group, opaque }), secret)
  }

  /** The login begins anew there: nothing of what was answered is sent along. */
  #redirect(location: string): LoginStep {
    const to = resolvePlace(this.#place, location)
    if (to === undefined) {
      return failed(protocolBroken(this.#where, 'a redirect to what is no https address'))
    }
    if (++this.#redirects > OC_REDIRECTS) {
      return failed(protocolBroken(this.#where, 'redirects without end'))
    }
    if (!sameOrigin(to, this.#place)) this.#cookies.clear()
    this.#place = to
    return this.begin()
  }

  #ask(body: string, secret: boolean): LoginStep {
    const bytes = new TextEncoder().encode(body)
    const cookie = this.#cookies.text
    const head = requestHead('POST', this.#place, [
      ...(cookie === '' ? [] : [`Cookie: ${cookie}`]),
      'Accept: */*',
      'Accept-Encoding: identity',
      'X-Transcend-Version: 1',
      'X-Aggregate-Auth: 1',
      'Content-Type: application/xml; charset=utf-8',
      `Content-Length: ${bytes.length}`,
    ])
    const request = new Uint8Array(head.length + bytes.length)
    request.set(head)
    request.set(bytes, head.length)
    return { kind: 'ask', place: this.#place, request, secret }
  }
}

/** The request that opens the tunnel. */
export function tunnelRequest({ place, cookie }: Session, mtu: number): Bytes {
  return requestHead('CONNECT', { ...place, path: '/CSCOSSLC/tunnel' }, [
    `Cookie: ${cookie}`,
    'X-CSTP-Version: 1',
    'X-CSTP-Hostname: localhost',
    `X-CSTP-Base-MTU: ${mtu}`,
    `X-CSTP-MTU: ${mtu}`,
    'X-CSTP-Address-Type: IPv6,IPv4',
    'X-CSTP-Full-IPv6-Capability: true',
  ])
}

function requestHead(method: string, place: Place, fields: readonly string[]): Bytes {
  const lines = [
    `${method} ${place.path} HTTP/1.1`,
    `Host: ${formatOrigin(place)}`,
    `User-Agent: ${USER_AGENT}`,
    ...fields,
  ]
  return new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n`)
}

function failed(error: PvpnError): LoginStep {
  return { kind: 'failed', error, asks: false }
}
