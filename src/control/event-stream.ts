/** `GET /api/v1/events`: the gateway's events as server-sent events, to a bounded number of clients. */
import type { ServerResponse } from 'node:http'
import type { Gateway, GatewayEvent } from '../gateway/contract.js'
import { EVENT_BUFFER, EVENT_CLIENTS, EVENT_COMMENT_INTERVAL } from './limits.js'

export class EventStreams {
  readonly #gateway: Gateway
  readonly #clients = new Set<ServerResponse>()
  #unlisten: (() => void) | undefined
  #comment: NodeJS.Timeout | undefined

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  /** Takes the response over. False: too many clients. The first event is the whole status. */
  async add(response: ServerResponse, headers: Readonly<Record<string, string>>): Promise<boolean> {
    if (this.#clients.size >= EVENT_CLIENTS) return false
    if (this.#clients.size === 0 && !this.#begin()) return false
    this.#clients.add(response)
    response.once('close', () => this.#remove(response))
    response.on('error', () => response.destroy())
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    })
    this.#write(response, frame('status', await this.#gateway.status()))
    return true
  }

  close(): void {
    for (const response of this.#clients) response.destroy()
  }

  #begin(): boolean {
    this.#unlisten = this.#gateway.listen((event: GatewayEvent) => {
      const { kind, ...data } = event
      this.#broadcast(frame(kind, data))
    })
    if (this.#unlisten === undefined) return false
    this.#comment = setInterval(() => this.#broadcast(':\n\n'), EVENT_COMMENT_INTERVAL)
    return true
  }

  #remove(response: ServerResponse): void {
    this.#clients.delete(response)
    if (this.#clients.size > 0) return
    this.#unlisten?.()
    clearInterval(this.#comment)
  }

  #broadcast(text: string): void {
    for (const response of this.#clients) this.#write(response, text)
  }

  #write(response: ServerResponse, text: string): void {
    if (response.destroyed) return
    if (response.writableLength > EVENT_BUFFER) response.destroy()
    else response.write(text)
  }
}

/** JSON has no raw newline, so one data line is enough. */
function frame(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
