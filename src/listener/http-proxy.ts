/** The HTTP half of the proxy port: node:http parses, the rules of forwarding are ours. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { resetSocket } from '../io/socket-reset.js'
import { fieldValues } from '../wire/http-fields.js'
import { ClientReader } from './client-reader.js'
import type { Connection } from './connection.js'
import {
  admissionProblem,
  badRequest,
  connectTarget,
  forwardTarget,
  isRefusal,
  type RequestHead,
} from './http-admission.js'
import { HttpClient } from './http-client.js'
import { encodeAnswer, errorAnswer, type HttpRefusal, refusalOf } from './http-error.js'
import { type HttpHead, parseHttpHead, parsePlainConnect } from './http-head.js'
import { headWithoutUpgrade, isUpgradable, upgrade } from './http-upgrade.js'
import { MAX_HTTP_HEAD } from './limits.js'
import { join, type ListenerContext } from './listener-context.js'

const ESTABLISHED = Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n')

export class HttpProxy {
  readonly #context: ListenerContext
  readonly #server: Server
  readonly #clients = new WeakMap<Duplex, HttpClient>()

  constructor(context: ListenerContext) {
    this.#context = context
    // Strict parsing; time-outs are the listener's own, since this server never listens itself.
    const server = createServer({
      maxHeaderSize: MAX_HTTP_HEAD,
      insecureHTTPParser: false,
      requireHostHeader: false,
      joinDuplicateHeaders: false,
      keepAliveTimeout: 0,
      requestTimeout: 0,
      headersTimeout: 0,
    })
    // Node would leave out the fields above its count, and with them perhaps the body's length.
    server.maxHeadersCount = 0
    // A client may end its direction behind the request and still wants the answer. (Not in @types/node.)
    Object.assign(server, { httpAllowHalfOpen: true })
    const receive = (request: IncomingMessage, response: ServerResponse) =>
      this.#client(request)?.receive(request, response)
    server.on('request', receive)
    server.on('checkContinue', receive)
    server.on('connect', (request, socket, head) => void this.#connect(request, socket, head))
    server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head))
    server.on('clientError', (error: Error, socket) => this.#clientError(error, socket))
    this.#server = server
  }

  /** Takes over a connection whose first byte is not SOCKS. */
  accept(connection: Connection, reader: ClientReader): void {
    if (reader.ended || connection.socket.ended) {
      void this.#answerEnded(connection, reader)
      return
    }
    // A tunnel is mere bytes: it needs no socket of Node, which costs each connection more than all else.
    const tunnel = reader.parseNow((bytes) => parsePlainConnect(bytes, MAX_HTTP_HEAD))
    if (tunnel !== undefined) {
      connection.begins()
      void this.#tunnel(connection, reader, tunnel)
      return
    }
    const head = reader.release()
    if (connection.socket.closed) return
    const socket = connection.promote()
    this.#clients.set(socket, new HttpClient(this.#context, connection, socket))
    if (head.length > 0) socket.unshift(head)
    this.#server.emit('connection', socket)
    socket.resume()
  }

  /**
   * The client has ended its direction already, and node:http would take it for gone. Where it came in
   * vain it is told so (the policy port, an environment that is not up); nothing is begun for it.
   */
  async #answerEnded(connection: Connection, reader: ClientReader): Promise<void> {
    const context = this.#context
    let head: HttpHead | undefined
    let refusal: HttpRefusal
    try {
      head = await reader.parse((bytes) => parseHttpHead(bytes, MAX_HTTP_HEAD))
      const target = head.method === 'CONNECT' ? connectTarget(head) : forwardTarget(context, head)
      const problem = admissionProblem(context, connection, head)
      if (problem === undefined && !isRefusal(target)) {
        const where = 'target' in target ? target.target : target
        await context.route(connection, where, reader.signal)
        connection.socket.reset()
        return
      }
      refusal = problem ?? (target as HttpRefusal)
    } catch (thrown) {
      refusal =
        head === undefined
          ? badRequest('not a proper HTTP request', 'The client is to be mended.')
          : refusalOf(thrown)
    }
    this.#refuse(connection, refusal, head, reader)
  }

  async #connect(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const client = this.#clients.get(socket)
    if (client === undefined || client.busy) {
      resetSocket(socket)
      return
    }
    const { connection } = client
    client.detach()
    await this.#tunnel(connection, new ClientReader(connection.socket, head), request)
  }

  async #tunnel(connection: Connection, reader: ClientReader, request: RequestHead): Promise<void> {
    const context = this.#context
    const target = admissionProblem(context, connection, request) ?? connectTarget(request)
    if (isRefusal(target)) {
      this.#refuse(connection, target, request, reader)
      return
    }
    try {
      const stream = await context.dial(connection, target, reader.signal)
      connection.socket.write(ESTABLISHED)
      join(connection, reader, stream)
    } catch (thrown) {
      this.#refuse(connection, refusalOf(thrown), request, reader)
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const client = this.#clients.get(socket)
    if (client === undefined || client.busy) {
      resetSocket(socket)
      return
    }
    if (!isUpgradable(request)) {
      if (head.length > 0) socket.unshift(head)
      socket.unshift(headWithoutUpgrade(request))
      this.#server.emit('connection', socket)
      socket.resume()
      return
    }
    const { connection } = client
    client.detach()
    const reader = new ClientReader(connection.socket, head)
    const problem = admissionProblem(this.#context, connection, request)
    const where = problem ?? forwardTarget(this.#context, request)
    if (isRefusal(where)) {
      this.#refuse(connection, where, request, reader)
      return
    }
    try {
      await upgrade(this.#context, connection, reader, request, where)
    } catch (thrown) {
      this.#refuse(connection, refusalOf(thrown), request, reader)
    }
  }

  #clientError(error: Error, socket: Duplex): void {
    const client = this.#clients.get(socket)
    if (client === undefined || !socket.writable || !client.abandon()) {
      // In the middle of an answer there is no honest way to say more.
      resetSocket(socket)
      return
    }
    client.detach()
    this.#refuse(client.connection, parseRefusal(error), undefined)
  }

  #refuse(
    connection: Connection,
    refusal: HttpRefusal,
    request: RequestHead | undefined,
    reader?: ClientReader,
  ): void {
    const { place, logger } = this.#context
    logger.debug({ ...connection.describe(), error: refusal.message }, 'refused')
    const accept = fieldValues(request?.rawHeaders ?? [], 'accept').join(', ')
    const answer = errorAnswer(place, refusal, accept)
    connection.refuse(encodeAnswer(answer), this.#context.now(), reader)
  }

  #client(request: IncomingMessage): HttpClient | undefined {
    return this.#clients.get(request.socket satisfies Socket)
  }
}

function parseRefusal(error: Error): HttpRefusal {
  const code = 'code' in error ? error.code : undefined
  if (code === 'HPE_HEADER_OVERFLOW') {
    return badRequest('the head of the request is too long', 'Remove cookies of this site.', 431)
  }
  const reason = 'reason' in error ? String(error.reason) : error.message
  return badRequest(`not a proper HTTP request: ${reason}`, 'The client is to be mended.')
}
