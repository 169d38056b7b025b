/** From nothing to a connection that carries packets: name, TLS, login (unless there is a cookie), CONNECT. */
import type { PvpnError } from '../../core/errors.js'
import { formatHostPort, parseIp } from '../../core/ip.js'
import type { Answers as Said } from '../../core/question.js'
import type { SecureCarrier } from '../../core/secure-carrier.js'
import { formatSocketAddress, sameSocketAddress, socketAddress } from '../../core/socket-address.js'
import type { Bytes, Millis } from '../../core/types.js'
import {
  badStatus,
  needsPerson,
  noAnswer,
  protocolBroken,
  serverLeft,
  unreachable,
  unresolved,
} from './failure.js'
import { type AnswerStep, type HttpAnswer, HttpAnswerReader } from './http-answer.js'
import { OC_ADDRESSES } from './limits.js'
import { Line } from './line.js'
import { MOST_MTU } from './link.js'
import { Login, type LoginOptions, type LoginStep, type Session, tunnelRequest } from './login.js'
import { formatOrigin, type Origin, type Place, sameOrigin } from './origin.js'
import { parseSettings, type Settings } from './settings.js'
import { ANSWER_TIMEOUT, CONNECT_TIMEOUT, RESOLVE_TIMEOUT, SETUP_TIMEOUT } from './timing.js'

export interface SetupOptions {
  readonly carrier: SecureCarrier
  readonly login: LoginOptions
  /** Of a login before; undefined: log in. */
  readonly session: Session | undefined
  /** The address that worked last is tried first. */
  readonly preferred: Bytes | undefined
  readonly wake: () => void
}

export interface TunnelReady {
  readonly line: Line
  /** What came behind the server's answer. */
  readonly rest: Bytes
  readonly settings: Settings
  readonly session: Session
}

export type SetupOutcome =
  | ({ readonly kind: 'ready' } & TunnelReady)
  | { readonly kind: 'failed'; readonly error: PvpnError }

const NEVER = Number.POSITIVE_INFINITY

export class Setup {
  outcome: SetupOutcome | undefined
  /** A name that is to be resolved; the answer comes by `resolved`. */
  question: Origin | undefined
  /** The cookie was refused, or there was none: what was known of the session is of no use. */
  session: Session | undefined
  readonly #o: SetupOptions
  #until: Millis
  /** By host and port. */
  readonly #addresses = new Map<string, readonly Bytes[]>()
  #login: Login
  /** What is asked next or now, and of whom. */
  #place: Place
  #request: Bytes
  #tunnel: boolean
  /** A secret is in the request. */
  #secret = false
  #line: Line | undefined
  #reader: HttpAnswerReader | undefined
  #readerBegun = false
  #gaveInVain = false
  #candidates: Bytes[] = []
  #waitFor: 'name' | 'secure' | 'answer' = 'name'
  #waitEnds: Millis = NEVER

  constructor(options: SetupOptions, now: Millis) {
    this.#o = options
    this.#until = now + SETUP_TIMEOUT
    this.session = options.session
    this.#login = new Login(options.login)
    this.#place = options.login.place
    this.#request = new Uint8Array(0)
    this.#tunnel = false
    if (options.session === undefined) this.#step(this.#login.begin(), now)
    else this.#openTunnel(options.session, now)
  }

  /** Has the cookie of an earlier login been shown, without an answer yet? */
  get showsCookie(): boolean {
    return this.#tunnel && this.#reused && this.#waitFor === 'answer'
  }

  /** Would another attempt give a secret again, or ask a person anew? */
  get gaveOrAsks(): boolean {
    const asks = this.outcome?.kind === 'failed' && this.outcome.error.asks.length > 0
    return asks || this.#login.gaveSecret
  }

  /** Was a secret given last, and not so much as an answer come? */
  get gaveInVain(): boolean {
    return this.#gaveInVain
  }

  /** The server's address that is asked now. */
  get address(): Bytes | undefined {
    return this.#line?.address
  }

  deadline(): Millis {
    if (this.outcome !== undefined) return NEVER
    return this.#line?.pending === true ? 0 : Math.min(this.#waitEnds, this.#until)
  }

  tick(now: Millis): void {
    for (let event = this.#line?.take(); event !== undefined; event = this.#line?.take()) {
      if (this.outcome !== undefined) return
      if (event.kind === 'secure') this.#send(now)
      else if (event.kind === 'bytes') this.#came(event.bytes, now)
      else this.#closed(event.error, now)
    }
    if (this.outcome !== undefined || now < Math.min(this.#waitEnds, this.#until)) return
    const { host } = this.#place
    if (this.#waitFor === 'name') this.#fail(unresolved(host))
    else if (this.#waitFor === 'secure')
      this.#notReached(unreachable(this.#at, CONNECT_TIMEOUT), now)
    else this.#fail(noAnswer(this.#at, ANSWER_TIMEOUT))
  }

  resolved(addresses: readonly Bytes[], now: Millis): void {
    const asked = this.#place
    if (this.#waitFor !== 'name' || this.outcome !== undefined) return
    const { preferred } = this.#o
    const isPreferred = (one: Bytes) =>
      preferred !== undefined && sameSocketAddress(one, 0, preferred, 0)
    const found = [
      ...addresses.filter(isPreferred),
      ...addresses.filter((one) => !isPreferred(one)),
    ]
    this.#addresses.set(formatHostPort(asked.host, asked.port), found.slice(0, OC_ADDRESSES))
    if (found.length === 0) this.#fail(unresolved(asked.host))
    else this.#reach(now)
  }

  /** Goes on after a failure whose error asks; the session with the server waits as long as the server likes. */
  hear(said: Said, now: Millis): void {
    this.outcome = undefined
    this.#until = now + SETUP_TIMEOUT
    this.#step(this.#login.hear(said), now)
  }

  close(): void {
    if (this.outcome?.kind !== 'ready') this.#line?.close()
    this.#line = undefined
  }

  /** For messages: host and address. */
  get #at(): string {
    const { host, port } = this.#place
    const where = formatHostPort(host, port)
    const address = this.#line?.address
    const tried = address === undefined ? where : formatSocketAddress(address)
    return tried === where ? where : `${where} (${tried.replace(/:\d+$/, '')})`
  }

  #step(step: LoginStep, now: Millis): void {
    if (step.kind === 'failed') this.#fail(step.error)
    else if (step.kind === 'done') this.#openTunnel(step.session, now)
    else {
      this.#secret = step.secret
      this.#ask(step.place, step.request, false, now)
    }
  }

  #openTunnel(session: Session, now: Millis): void {
    this.session = session
    this.#secret = false
    this.#ask(session.place, tunnelRequest(session, MOST_MTU), true, now)
  }

  #ask(place: Place, request: Bytes, tunnel: boolean, now: Millis): void {
    this.#place = place
    this.#request = request
    this.#tunnel = tunnel
    if (this.#line !== undefined && sameOrigin(this.#line.origin, place)) this.#send(now)
    else this.#reach(now)
  }

  /** Goes for a connection to the place's server. */
  #reach(now: Millis): void {
    this.#line?.close()
    this.#line = undefined
    const { host, port } = this.#place
    const ip = parseIp(host)
    const known =
      ip === undefined ? this.#addresses.get(formatHostPort(host, port)) : [socketAddress(ip, port)]
    if (known === undefined) {
      this.#wait('name', now + RESOLVE_TIMEOUT)
      this.question = { host, port }
      return
    }
    this.#candidates = [...known]
    this.#connect(now)
  }

  #connect(now: Millis): void {
    const address = this.#candidates.shift()
    if (address === undefined) return
    const { carrier, wake } = this.#o
    this.#line?.close()
    this.#line = new Line(carrier, this.#place, { host: this.#place.host, address }, wake)
    this.#wait('secure', now + CONNECT_TIMEOUT)
  }

  #send(now: Millis): void {
    const line = this.#line as Line
    // The address that works is the one for what follows.
    const { host, port } = this.#place
    this.#addresses.set(formatHostPort(host, port), [line.address])
    this.#reader = new HttpAnswerReader(this.#tunnel)
    this.#readerBegun = false
    line.write(this.#request)
    this.#gaveInVain = this.#secret
    this.#wait('answer', now + ANSWER_TIMEOUT)
  }

  #came(bytes: Bytes, now: Millis): void {
    if (this.#waitFor !== 'answer' || this.#reader === undefined) {
      this.#fail(protocolBroken(this.#at, 'an answer that nobody asked for'))
      return
    }
    this.#readerBegun = true
    this.#look(this.#reader.push(bytes), now)
  }

  #look(step: AnswerStep, now: Millis): void {
    if (step.kind === 'more') return
    if (step.kind === 'broken') {
      this.#fail(protocolBroken(this.#at, step.why))
      return
    }
    const { answer } = step
    const line = this.#line as Line
    line.served++
    this.#gaveInVain = false
    this.#reader = undefined
    if (this.#tunnel) {
      this.#opened(answer, line, now)
      return
    }
    if (answer.rest.length > 0) {
      this.#fail(protocolBroken(this.#at, 'an answer that nobody asked for'))
      return
    }
    if (answer.closes) this.#forgetLine()
    this.#step(this.#login.answer(answer), now)
  }

  /** The answer to CONNECT. */
  #opened(answer: HttpAnswer, line: Line, now: Millis): void {
    const { status, reason, fields, rest } = answer
    if (status === 200) {
      const settings = parseSettings(fields)
      const session = this.session as Session
      this.outcome = { kind: 'ready', line, rest, settings, session }
      if (settings.address4 === undefined && settings.address6 === undefined) {
        const given =
          settings.leftOut.length === 0 ? '' : ` that can be: ${settings.leftOut.join(', ')}`
        this.#fail(protocolBroken(this.#at, `a tunnel without an address${given}`))
      } else if (settings.compressed) {
        this.#fail(protocolBroken(this.#at, 'compression that nobody asked for'))
      }
      return
    }
    const why = fields.find(([name]) => name === 'x-reason')?.[1] ?? reason
    if (status >= 500) this.#fail(badStatus(this.#at, status, why))
    else if (this.#reused) this.#logInAgain(now)
    else {
      this.session = undefined
      this.#fail(badStatus(this.#at, status, why))
    }
  }

  /** Is the cookie one of an earlier login? */
  get #reused(): boolean {
    return this.#o.session !== undefined && this.session === this.#o.session
  }

  /** The cookie is of no use any more. */
  #logInAgain(now: Millis): void {
    this.#forgetLine()
    this.session = undefined
    this.#login = new Login(this.#o.login)
    this.#step(this.#login.begin(), now)
  }

  #closed(error: PvpnError, now: Millis): void {
    if (this.#waitFor === 'secure') {
      this.#notReached(error, now)
      return
    }
    const line = this.#line as Line
    const reader = this.#reader
    // A server may end a connection that it had kept open just when it is used again. A secret is not
    // sent twice: the server may have read it, and counts.
    if (reader !== undefined && !this.#readerBegun && line.served > 0 && !this.#secret) {
      this.#reach(now)
      return
    }
    this.#forgetLine()
    if (this.#tunnel && !this.#readerBegun && this.#reused && needsPerson(error)) {
      // Some servers answer to a cookie that they don't know by an alert of TLS alone.
      this.#logInAgain(now)
      return
    }
    // What needs a person is told as it is, whatever was read: a certificate of ours that is refused.
    const plain = error.code !== 'ERR_DOWN'
    if (plain || reader === undefined) this.#fail(error)
    else if (this.#readerBegun) this.#look(reader.end(), now)
    else
      this.#fail(
        serverLeft(formatOrigin(this.#place), `has closed the connection: ${error.message}`),
      )
  }

  #forgetLine(): void {
    this.#line?.close()
    this.#line = undefined
  }

  #notReached(error: PvpnError, now: Millis): void {
    if (this.#candidates.length === 0 || needsPerson(error)) this.#fail(error)
    else this.#connect(now)
  }

  #wait(what: 'name' | 'secure' | 'answer', until: Millis): void {
    this.#waitFor = what
    this.#waitEnds = until
  }

  #fail(error: PvpnError): void {
    this.#forgetLine()
    this.question = undefined
    this.outcome = { kind: 'failed', error }
  }
}
