/** The proxy port: SOCKS4, 4a, 5 and HTTP on one address, told apart by the first byte. */
import type { Socket } from 'node:net'
import type { HandedConnection } from '../core/admission.js'
import { PvpnError } from '../core/errors.js'
import type { Outcome } from '../core/figures.js'
import { formatListenAddress, listenProblem } from '../core/listen-address.js'
import type { Logger } from '../core/log.js'
import type { ListenAddress, ProxyUser } from '../core/options.js'
import type { Bytes, Millis, Target } from '../core/types.js'
import { HostSocket } from '../io/host-socket.js'
import type { LeanSocket } from '../io/lean-socket.js'
import { type BoundListener, listenLean, listenStream } from '../io/listen.js'
import type { Parsed } from '../wire/parsed.js'
import { SOCKS4_VERSION } from '../wire/socks4.js'
import { SOCKS5_VERSION } from '../wire/socks5.js'
import { Authenticator } from './authentication.js'
import { ClientReader } from './client-reader.js'
import { Connection, type ConnectionInfo } from './connection.js'
import { type Divert, divertHttp } from './divert.js'
import { HttpProxy } from './http-proxy.js'
import { LISTENER_TIMEOUTS, type ListenerTimeouts, MAX_CONNECTIONS } from './limits.js'
import { type Route, RoutedContext } from './listener-context.js'
import { serveSocks4 } from './socks4-session.js'
import { serveSocks5 } from './socks5-session.js'

export interface MixedListenerOptions {
  /** Absent: only what `accept` is given is served. */
  readonly listen?: ListenAddress
  /** None: everybody who can reach the port may use it. */
  readonly users: readonly ProxyUser[]
  /** Listen off loopback without users. Default false. */
  readonly allowUnauthenticated?: boolean
  readonly route: Route
  /** Whose port this is, for the pages of HTTP errors: `environment office`. */
  readonly place: string
  /** Connections are only looked at, and then served elsewhere (the policy port). */
  readonly divert?: Divert
  /** Seconds until "no answer". */
  readonly connectTimeout: number
  readonly logger: Logger
  /** Milliseconds, each with the default of limits.ts. */
  readonly timeouts?: Partial<ListenerTimeouts>
  /**
   * Gets each accepted socket first, paused and unread. True: it was taken and is no longer the
   * listener's affair (handed to another process).
   */
  readonly onAccept?: (socket: Socket) => boolean
  /** A connection inside was asked for in vain; the client has been told. */
  readonly onFailure?: (target: Target, error: PvpnError) => void
  /** How each connection inside that was asked for came out, and each wrong password. */
  readonly onOutcome?: (outcome: Outcome) => void
}

export interface ListenerCounters {
  readonly accepted: number
  /** Turned away because too many were open. */
  readonly overflowed: number
  /** Bytes from and to the clients, of open connections too. */
  readonly bytesFromClients: number
  readonly bytesToClients: number
}

export interface MixedListener {
  /** Binds. Rejects with ERR_CONFIG when the address cannot be had or may not be opened without users. */
  start(): Promise<void>
  /**
   * Accepts no more, closes connections where nothing is under way, gives the others `grace`
   * milliseconds (default 0) to end, then resets them.
   */
  stop(grace?: Millis): Promise<void>
  /**
   * Serves a socket that another process, or another listener, has accepted: `handed` says where,
   * and what was read and decided already.
   */
  accept(socket: Socket, handed?: Partial<HandedConnection>): void
  /** What is listened on (`127.0.0.1:1081`, `unix:PATH`), with real ports; empty while not bound. */
  readonly addresses: readonly string[]
  /** As bound, with the real port. */
  readonly bound: ListenAddress | undefined
  readonly openConnections: number
  connections(): Iterable<ConnectionInfo>
  readonly counters: ListenerCounters
}

export function createMixedListener(options: MixedListenerOptions): MixedListener {
  return new MixedPort(options)
}

/** Milliseconds between looks at the deadlines. */
const SWEEP_INTERVAL = 1_000

class MixedPort implements MixedListener {
  readonly #accepts = { accepted: 0, overflowed: 0 }
  /** Of connections that have ended. */
  #fromClients = 0
  #toClients = 0
  readonly #options: MixedListenerOptions
  readonly #timeouts: ListenerTimeouts
  readonly #context: RoutedContext
  readonly #http: HttpProxy
  readonly #connections = new Set<Connection>()
  #listener: BoundListener | undefined
  #sweeper: NodeJS.Timeout | undefined
  #nextId = 1
  #emptied: (() => void) | undefined

  constructor(options: MixedListenerOptions) {
    this.#options = options
    this.#timeouts = { ...LISTENER_TIMEOUTS, ...options.timeouts }
    this.#context = new RoutedContext(options, new Authenticator(options.users))
    this.#http = new HttpProxy(this.#context)
  }

  get bound(): ListenAddress | undefined {
    return this.#listener?.address
  }

  get addresses(): readonly string[] {
    return this.bound === undefined ? [] : [formatListenAddress(this.bound)]
  }

  get openConnections(): number {
    return this.#connections.size
  }

  get counters(): ListenerCounters {
    let bytesFromClients = this.#fromClients
    let bytesToClients = this.#toClients
    for (const connection of this.#connections) {
      bytesFromClients += connection.bytesFromClient
      bytesToClients += connection.bytesToClient
    }
    return { ...this.#accepts, bytesFromClients, bytesToClients }
  }

  connections(): Iterable<ConnectionInfo> {
    return this.#connections
  }

  async start(): Promise<void> {
    const { listen, users, allowUnauthenticated } = this.#options
    if (listen === undefined || this.#listener !== undefined) return
    const problem = listenProblem(listen, {
      authenticated: users.length > 0,
      allowUnauthenticated: allowUnauthenticated ?? false,
    })
    if (problem !== undefined) throw new PvpnError('ERR_CONFIG', problem)
    const { onAccept, divert } = this.#options
    // What may be given to another process has to be a socket of Node.
    this.#listener =
      onAccept === undefined && divert === undefined
        ? await listenLean(listen, (socket) => this.#accept(socket, {}))
        : await listenStream(listen, (socket) => {
            if (onAccept?.(socket) !== true) this.accept(socket)
          })
  }

  async stop(grace: Millis = 0): Promise<void> {
    this.#listener?.close()
    this.#listener = undefined
    for (const connection of this.#connections) {
      if (connection.idle) connection.socket.destroy()
    }
    if (grace > 0 && this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, grace)
        this.#emptied = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    for (const { socket } of this.#connections) socket.reset()
  }

  accept(socket: Socket, handed: Partial<HandedConnection> = {}): void {
    this.#accept(new HostSocket(socket), handed)
  }

  #accept(socket: LeanSocket, handed: Partial<HandedConnection>): void {
    this.#accepts.accepted++
    if (this.#connections.size >= MAX_CONNECTIONS) {
      this.#accepts.overflowed++
      socket.reset()
      return
    }
    if (socket.closed) return
    const now = this.#context.now()
    const listener = handed.listener ?? this.addresses[0] ?? ''
    const connection = new Connection(socket, this.#nextId++, listener, this.#timeouts, now)
    connection.admission = handed.admission
    connection.user = handed.admission?.user
    this.#connections.add(connection)
    socket.onGone = () => this.#forget(connection)
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_INTERVAL).unref()
    void this.#serve(connection, handed.head).then(() => {
      if (connection.handed) this.#forget(connection)
    })
  }

  async #serve(connection: Connection, head: Bytes | undefined): Promise<void> {
    const reader = new ClientReader(connection.socket, head)
    let first: number
    try {
      first = await reader.parse(peek)
    } catch {
      connection.refuse(undefined, this.#context.now(), reader)
      return
    }
    if (first === SOCKS5_VERSION) {
      connection.protocol = 'socks5'
      await serveSocks5(this.#context, connection, reader)
    } else if (first === SOCKS4_VERSION) {
      connection.protocol = 'socks4'
      await serveSocks4(this.#context, connection, reader)
    } else {
      connection.protocol = 'http'
      const { divert } = this.#context
      if (divert !== undefined && (await divertHttp(this.#context, divert, connection, reader))) {
        return
      }
      this.#http.accept(connection, reader)
    }
  }

  #forget(connection: Connection): void {
    if (!this.#connections.delete(connection)) return
    this.#fromClients += connection.bytesFromClient
    this.#toClients += connection.bytesToClient
    if (this.#connections.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
    this.#emptied?.()
  }

  #sweep(): void {
    const now = this.#context.now()
    for (const connection of this.#connections) {
      if (now > connection.deadline) connection.onDeadline(now)
    }
  }
}

/** The first byte, left where it is. */
function peek(bytes: Bytes): Parsed<number> {
  const first = bytes[0]
  return first === undefined ? undefined : { kind: 'done', value: first, length: 0 }
}
