/** Where programs ask: one short connection to a Unix socket for each question. */
import type { Socket } from 'node:net'
import type { Clock } from '../../core/types.js'
import { closeDescriptor, DescriptorChannel } from '../../io/descriptor-channel.js'
import { type BoundListener, listenStream } from '../../io/listen.js'
import { unixPeer } from '../../io/socket-owner.js'
import { MAX_QUERIES, QUERY_TIMEOUT } from './limits.js'
import {
  encodeReply,
  errnoOf,
  parseRequest,
  type Query,
  type QueryHandler,
  REQUEST_HEADER,
  type RequestHeader,
} from './protocol.js'

export class QueryPort {
  readonly #handlers = new Map<number, QueryHandler>()
  readonly #open = new Set<QueryConnection>()
  readonly #clock: Clock
  #bound: BoundListener | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Questions of this kind go there. */
  answer(kind: number, handler: QueryHandler): void {
    this.#handlers.set(kind, handler)
  }

  /** Rejects when the path can't be had. */
  async listen(path: string): Promise<void> {
    this.#bound = await listenStream({ kind: 'unix', path }, (socket) => this.#accept(socket))
  }

  close(): void {
    this.#bound?.close()
    for (const connection of this.#open) connection.close()
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    if (this.#open.size >= MAX_QUERIES || unixPeer(socket)?.uid !== process.getuid?.()) {
      socket.destroy()
      return
    }
    try {
      const connection = new QueryConnection({
        socket,
        handlers: this.#handlers,
        clock: this.#clock,
        onClose: () => this.#open.delete(connection),
      })
      this.#open.add(connection)
    } catch {
      // Out of descriptors, or it has gone already.
      socket.destroy()
    }
  }
}

interface QueryConnectionOptions {
  readonly socket: Socket
  readonly handlers: ReadonlyMap<number, QueryHandler>
  readonly clock: Clock
  readonly onClose: () => void
}

class QueryConnection {
  readonly #o: QueryConnectionOptions
  readonly #channel: DescriptorChannel
  readonly #cancel: () => void
  #received = new Uint8Array(0)
  #header: RequestHeader | undefined
  #descriptor: number | undefined
  #asked = false

  constructor(options: QueryConnectionOptions) {
    this.#o = options
    this.#channel = new DescriptorChannel(options.socket)
    this.#channel.onMessage = (text, descriptors) => this.#message(text, descriptors)
    this.#channel.onClose = () => this.#closed()
    const { clock } = options
    this.#cancel = clock.at(clock.now() + QUERY_TIMEOUT, () => this.close())
  }

  close(): void {
    this.#channel.close()
  }

  #message(text: string, descriptors: readonly number[]): void {
    for (const fd of descriptors) {
      if (this.#descriptor === undefined && !this.#asked) this.#descriptor = fd
      else closeDescriptor(fd)
    }
    // One question a connection: what follows has no meaning.
    if (this.#asked) return
    this.#received = Buffer.concat([this.#received, Buffer.from(text, 'latin1')])
    if (this.#received.length < REQUEST_HEADER) return
    this.#header ??= parseRequest(this.#received)
    if (this.#header === undefined) {
      this.close()
      return
    }
    if (this.#received.length < REQUEST_HEADER + this.#header.length) return
    this.#asked = true
    this.#cancel()
    void this.#ask(this.#header)
  }

  async #ask(header: RequestHeader): Promise<void> {
    const query: Query = {
      ...header,
      data: this.#received.slice(REQUEST_HEADER, REQUEST_HEADER + header.length),
      takeDescriptor: () => {
        const fd = this.#descriptor
        this.#descriptor = undefined
        return fd
      },
    }
    const { socket, handlers } = this.#o
    let answer: Uint8Array
    try {
      const handler = handlers.get(header.kind)
      if (handler === undefined) {
        this.close()
        return
      }
      answer = encodeReply(await handler(query))
    } catch (thrown) {
      answer = encodeReply({ error: errnoOf(thrown) })
    }
    if (socket.destroyed) return
    socket.write(answer, () => this.close())
  }

  #closed(): void {
    this.#cancel()
    if (this.#descriptor !== undefined) closeDescriptor(this.#descriptor)
    this.#descriptor = undefined
    this.#o.onClose()
  }
}
