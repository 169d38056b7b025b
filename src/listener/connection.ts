/** One client's connection to a listener: what is known of it, and until when it may stay as it is. */
import type { Socket } from 'node:net'
import type { Admission } from '../core/admission.js'
import type { Session } from '../core/environment.js'
import type { PvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import { plainAddress } from '../core/listen-address.js'
import type { Bytes, Endpoint, Millis, Target } from '../core/types.js'
import { ignore, type LeanSocket } from '../io/lean-socket.js'
import type { ClientReader } from './client-reader.js'
import type { ListenerTimeouts } from './limits.js'

export type ProxyProtocol = 'socks4' | 'socks5' | 'http'

/** A connection as lists and counters show it; read in place, so it is always current. */
export interface ConnectionInfo {
  readonly id: number
  readonly client: Endpoint
  /** For who is at its other end. */
  readonly socket: LeanSocket
  readonly user: string | undefined
  /** Undefined before the first byte. */
  readonly protocol: ProxyProtocol | undefined
  /** Where it goes, or went last (HTTP may go to several). */
  readonly target: Target | undefined
  readonly since: Millis
  /** Bytes from and to the program, protocol heads included. */
  readonly bytesFromClient: number
  readonly bytesToClient: number
}

export class Connection implements ConnectionInfo {
  readonly id: number
  socket: LeanSocket
  readonly listener: string
  readonly client: Endpoint
  readonly since: Millis
  readonly timeouts: ListenerTimeouts
  user: string | undefined
  protocol: ProxyProtocol | undefined
  target: Target | undefined
  /** The policy port has let it in: no password is asked for, and only what it says is reached. */
  admission: Admission | undefined
  /** Why the policy does not let it in: the answer to whatever is asked for on it. */
  refusal: PvpnError | undefined
  /** Given away: no longer this listener's. */
  handed = false
  /** Nothing is under way: the client has not asked yet, or has been answered and may ask again. */
  idle = true
  /** Looked at once a second: past it, `onDeadline` is called. Infinity while nothing is awaited of the client. */
  deadline: Millis
  onDeadline: (now: Millis) => void = () => this.socket.reset()

  constructor(
    socket: LeanSocket,
    id: number,
    listener: string,
    timeouts: ListenerTimeouts,
    now: Millis,
  ) {
    this.id = id
    this.socket = socket
    this.listener = listener
    this.client = {
      address: plainAddress(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
    }
    this.since = now
    this.timeouts = timeouts
    this.deadline = now + timeouts.head
  }

  /** Something is under way: nothing is awaited of the client. */
  begins(): void {
    this.idle = false
    this.deadline = Number.POSITIVE_INFINITY
  }

  get bytesFromClient(): number {
    return this.socket.bytesRead
  }

  get bytesToClient(): number {
    return this.socket.bytesWritten
  }

  /** The connection as a socket of Node. What is used of `socket` meanwhile must not read it. */
  promote(): Socket {
    const { node, lean } = this.socket.promote()
    this.socket = lean
    return node
  }

  get session(): Session {
    const { listener, client, user } = this
    return user === undefined ? { listener, client } : { listener, client, user }
  }

  /** For logs. */
  describe(): object {
    const { id, client, user, protocol, target } = this
    return {
      connection: id,
      client: formatHostPort(client.address, client.port),
      ...(user === undefined ? {} : { user }),
      ...(protocol === undefined ? {} : { protocol }),
      ...(target === undefined ? {} : { target: formatHostPort(target.host, target.port) }),
    }
  }

  /**
   * Says a last word and ends. What the client still sends is read and thrown away for a while:
   * closing with unread bytes would reset the connection and might take the last word with it.
   */
  refuse(lastWord: Bytes | string | undefined, now: Millis, reader?: ClientReader): void {
    const { socket } = this
    reader?.release()
    this.idle = false
    if (socket.closed) return
    this.deadline = now + this.timeouts.linger
    this.onDeadline = () => socket.reset()
    socket.onData = ignore
    socket.onEnd = ignore
    if (lastWord === undefined) socket.end()
    else socket.end(typeof lastWord === 'string' ? Buffer.from(lastWord) : lastWord)
    socket.resume()
  }
}
