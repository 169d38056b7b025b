/** What the protocols of a listener share: who may come in, where it goes, and how it is joined. */
import type { Environment, Session } from '../core/environment.js'
import { PvpnError, toPvpnError } from '../core/errors.js'
import type { Outcome } from '../core/figures.js'
import { formatHostPort } from '../core/ip.js'
import type { Logger } from '../core/log.js'
import type { ByteStream } from '../core/stream.js'
import type { Bytes, Millis, Target } from '../core/types.js'
import { Relay } from '../io/relay.js'
import type { Authenticator } from './authentication.js'
import type { ClientReader } from './client-reader.js'
import type { Connection } from './connection.js'
import { dialAny } from './dial-any.js'
import type { Divert } from './divert.js'

/** Chooses the environment for a request, or throws a PvpnError: ERR_DENIED, ERR_DOWN. No target: UDP ASSOCIATE. */
export type Route = (session: Session, target?: Target) => Environment | Promise<Environment>

export interface ListenerContext {
  /** Whose port this is, for pages: `environment office`, or `policy port`. */
  readonly place: string
  /** Set where connections are only looked at, and served elsewhere. */
  readonly divert: Divert | undefined
  readonly authenticator: Authenticator
  readonly logger: Logger
  /** UDP associations that are open. */
  associations: number
  now(): Millis
  /** The environment for this request. ERR_TIMEOUT when the choice takes longer than the connect time-out. */
  route(
    connection: Connection,
    target: Target | undefined,
    signal: AbortSignal,
  ): Promise<Environment>
  /** A client got a wrong answer to its user and password. */
  unauthenticated(): void
  /** A connection inside. Rejects with a PvpnError; ERR_ABORTED when the signal was. */
  dial(connection: Connection, target: Target, signal: AbortSignal): Promise<ByteStream>
}

/** How much longer than the environment's own connect time-out the listener waits, in milliseconds: its error is the better one. */
const GRACE = 1_000

export class RoutedContext implements ListenerContext {
  readonly place: string
  readonly divert: Divert | undefined
  readonly authenticator: Authenticator
  readonly logger: Logger
  associations = 0
  readonly #route: Route
  readonly #timeout: Millis
  readonly #onFailure: ((target: Target, error: PvpnError) => void) | undefined
  readonly #onOutcome: ((outcome: Outcome) => void) | undefined

  constructor(
    options: {
      place: string
      route: Route
      divert?: Divert
      connectTimeout: number
      onFailure?: (target: Target, error: PvpnError) => void
      onOutcome?: (outcome: Outcome) => void
      logger: Logger
    },
    authenticator: Authenticator,
  ) {
    this.place = options.place
    this.divert = options.divert
    this.authenticator = authenticator
    this.logger = options.logger
    this.#route = options.route
    this.#onFailure = options.onFailure
    this.#onOutcome = options.onOutcome
    this.#timeout = options.connectTimeout * 1000 + GRACE
  }

  now(): Millis {
    return performance.now()
  }

  route(
    connection: Connection,
    target: Target | undefined,
    signal: AbortSignal,
  ): Promise<Environment> {
    return within(this.#timeout, signal, async () => {
      if (target !== undefined) admitted(connection, target)
      return this.#route(connection.session, target)
    })
  }

  unauthenticated(): void {
    this.#onOutcome?.('ERR_AUTH')
  }

  async dial(connection: Connection, target: Target, signal: AbortSignal): Promise<ByteStream> {
    connection.target = target
    try {
      const stream = await this.#dial(connection, target, signal)
      this.#onOutcome?.('ok')
      return stream
    } catch (thrown) {
      const error = toPvpnError(thrown)
      this.#onOutcome?.(error.code)
      // Who hangs up while it waits has not failed.
      if (error.code !== 'ERR_ABORTED') this.#onFailure?.(target, error)
      throw thrown
    }
  }

  async #dial(connection: Connection, target: Target, signal: AbortSignal): Promise<ByteStream> {
    checkTarget(target)
    const inside = admitted(connection, target)
    const stream = await within(
      this.#timeout,
      signal,
      async (inner) => {
        const environment = await this.#route(connection.session, inside)
        const addresses = connection.admission?.addresses
        return addresses === undefined
          ? environment.dial(inside, { signal: inner })
          : dialAny(environment, addresses, inside.port, inner)
      },
      (late) => late.abort(),
    )
    this.logger.debug(connection.describe(), 'connected')
    return stream
  }
}

/**
 * What is to be reached for this target. Throws what the policy says against it: on a connection that
 * came by the policy port nothing is reached but what was decided there, whatever the bytes say here.
 */
export function admitted({ admission, refusal }: Connection, target: Target): Target {
  if (refusal !== undefined) throw refusal
  if (admission === undefined) return target
  const { asked, host } = admission
  if (target.host !== asked.host || target.port !== asked.port) {
    throw new PvpnError('ERR_DENIED', `${targetText(target)} was not decided at the policy port`)
  }
  return { host, port: target.port }
}

/** Joins the client, whose head has been read, with what was dialled for it. */
export function join(connection: Connection, reader: ClientReader, stream: ByteStream): void {
  joinStream(connection, reader.release(), reader.ended, stream)
}

export function joinStream(
  connection: Connection,
  head: Bytes,
  ended: boolean,
  stream: ByteStream,
): void {
  connection.deadline = Number.POSITIVE_INFINITY
  new Relay(connection.socket, stream, { head, ended })
}

/** Throws ERR_NAME for what cannot be a name or address, ERR_REFUSED for port 0. */
export function checkTarget(target: Target): void {
  // Printable ASCII without what separates parts of a URI or line: names of other scripts come as punycode.
  if (!/^[!$&'()*+,\-.:;=_~0-9a-z]{1,255}$/i.test(target.host)) {
    throw new PvpnError('ERR_NAME', 'the host name has characters that no name has')
  }
  if (target.port === 0)
    throw new PvpnError('ERR_REFUSED', `${target.host}: port 0 cannot be reached`)
}

/** Runs with a signal that follows the given one and a time-out; a result that comes too late is given to `discard`. */
async function within<T>(
  timeout: Millis,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
  discard?: (late: T) => void,
): Promise<T> {
  const controller = new AbortController()
  return new Promise((resolve, reject) => {
    let settled = false
    const settle = (): boolean => {
      if (settled) return false
      settled = true
      clearTimeout(timer)
      signal.removeEventListener('abort', aborted)
      return true
    }
    const giveUp = (error: PvpnError) => {
      if (!settle()) return
      reject(error)
      controller.abort()
    }
    const aborted = () => giveUp(new PvpnError('ERR_ABORTED', 'the client has gone'))
    const timer = setTimeout(
      () => giveUp(new PvpnError('ERR_TIMEOUT', `no answer within ${timeout / 1000} s`)),
      timeout,
    )
    signal.addEventListener('abort', aborted)
    if (signal.aborted) aborted()
    run(controller.signal).then(
      (result) => {
        if (settle()) resolve(result)
        else discard?.(result)
      },
      (error: unknown) => {
        if (settle()) reject(error)
      },
    )
  })
}

/** `host:port` for messages. */
export function targetText(target: Target): string {
  return formatHostPort(target.host, target.port)
}
