/** One client's HTTP connection: its requests are answered one after another, in their order. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Millis } from '../core/types.js'
import type { Connection } from './connection.js'
import {
  admissionProblem,
  badRequest,
  forwardTarget,
  hasBody,
  isRefusal,
} from './http-admission.js'
import { encodeAnswer, errorAnswer, type HttpRefusal, refusalOf } from './http-error.js'
import { forward } from './http-forward.js'
import { Upstream } from './http-upstream.js'
import { MAX_PIPELINED_REQUESTS } from './limits.js'
import type { ListenerContext } from './listener-context.js'

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

export class HttpClient {
  readonly connection: Connection
  readonly #context: ListenerContext
  readonly #socket: Socket
  readonly #queue: Exchange[] = []
  readonly #upstream = new Upstream()
  #current: Exchange | undefined
  #detached = false
  #received = false
  #idleSince: Millis
  #bytesWhenIdle = 0

  /** `socket` is the connection's, as node:http wants it. */
  constructor(context: ListenerContext, connection: Connection, socket: Socket) {
    this.#context = context
    this.connection = connection
    this.#socket = socket
    this.#idleSince = context.now()
    connection.onDeadline = (now) => this.#late(now)
    socket.on('close', () => this.#upstream.close())
    socket.on('end', () => this.#halfClosed())
    // Node would close with the client's body unread, and the reset that follows could overtake the answer.
    socket.destroySoon = () => this.#linger()
  }

  /** An answer is being made or sent. */
  get busy(): boolean {
    return this.#current !== undefined
  }

  /** What was decided for it, at the policy port, holds for one request. */
  get #single(): boolean {
    const { admission, refusal } = this.connection
    return admission !== undefined || refusal !== undefined
  }

  /** The connection is no longer HTTP, or is being refused. */
  detach(): void {
    this.#detached = true
    this.connection.begins()
    this.#upstream.close()
  }

  /**
   * Gives up the exchange that is under way, so that something else can be said on the connection.
   * False: its answer has begun, so that nothing else can.
   */
  abandon(): boolean {
    const response = this.#current?.response
    this.#queue.length = 0
    if (response === undefined) return true
    if (response.headersSent) return false
    response.detachSocket(this.#socket)
    response.emit('close')
    return true
  }

  receive(request: IncomingMessage, response: ServerResponse): void {
    if (this.#single) {
      // The next request may belong elsewhere. What was sent ahead is not served (RFC 9112 section 9.6).
      if (this.#received) return
      response.shouldKeepAlive = false
    }
    this.#received = true
    if (this.#detached || this.#queue.length >= MAX_PIPELINED_REQUESTS) {
      this.connection.socket.reset()
      return
    }
    this.connection.begins()
    this.#queue.push({ request, response })
    if (this.#current === undefined) void this.#work()
  }

  async #work(): Promise<void> {
    for (;;) {
      this.#current = this.#queue.shift()
      if (this.#current === undefined) break
      await this.#exchange(this.#current)
      if (this.connection.socket.closed) return
    }
    if (this.#detached) return
    const now = this.#context.now()
    this.connection.idle = true
    this.#idleSince = now
    this.#bytesWhenIdle = this.connection.socket.bytesRead
    this.connection.deadline = now + this.connection.timeouts.head
  }

  async #exchange({ request, response }: Exchange): Promise<void> {
    const { connection } = this
    const problem = admissionProblem(this.#context, connection, request)
    const where = problem ?? forwardTarget(this.#context, request)
    if (isRefusal(where)) {
      await this.#refuse(request, response, where)
      return
    }
    try {
      await forward(this.#context, connection, this.#upstream, request, response, where)
    } catch (thrown) {
      await this.#refuse(request, response, refusalOf(thrown))
    }
  }

  /** Answers by ourselves; what the client still sends of its request is thrown away. */
  async #refuse(
    request: IncomingMessage,
    response: ServerResponse,
    refusal: HttpRefusal,
  ): Promise<void> {
    if (response.destroyed) return
    this.#context.logger.debug({ ...this.connection.describe(), error: refusal.message }, 'refused')
    const closed = new Promise((resolve) => response.once('close', resolve))
    const answer = errorAnswer(this.#context.place, refusal, request.headers.accept)
    if (hasBody(request.rawHeaders) && !request.complete) response.shouldKeepAlive = false
    response.sendDate = false
    response.writeHead(answer.status, answer.reason, answer.fields)
    response.end(answer.body)
    request.resume()
    await closed
  }

  /**
   * The client has ended its direction: it may be waiting for its answer, or be gone. Only a write
   * would tell, so an answer that stands still for long is given up.
   */
  #halfClosed(): void {
    if (this.#current === undefined || this.#detached) return
    const { connection } = this
    let written = connection.socket.bytesWritten
    connection.deadline = this.#context.now() + connection.timeouts.halfClosed
    connection.onDeadline = (now) => {
      if (connection.socket.bytesWritten === written) connection.socket.reset()
      written = connection.socket.bytesWritten
      connection.deadline = now + connection.timeouts.halfClosed
    }
  }

  #late(now: Millis): void {
    const { connection } = this
    const idle = this.#bytesWhenIdle !== 0 && connection.socket.bytesRead === this.#bytesWhenIdle
    if (idle && now < this.#idleSince + connection.timeouts.idle) {
      connection.deadline = now + connection.timeouts.head
      return
    }
    this.detach()
    const refusal = badRequest('the request did not come to its end in time', 'Try again.', 408)
    const answer = errorAnswer(this.#context.place, refusal, undefined)
    connection.refuse(idle ? undefined : encodeAnswer(answer), now)
  }

  #linger(): void {
    const { connection } = this
    this.#detached = true
    connection.socket.end()
    connection.deadline = this.#context.now() + connection.timeouts.linger
    connection.onDeadline = () => connection.socket.reset()
  }
}
