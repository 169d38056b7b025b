/**
 * The connections that one HTTP client has open to servers. One idle connection is kept, for the
 * next request to the same server; clients use another connection for another server.
 */
import { Agent, type ClientRequest, type RequestOptions, request } from 'node:http'
import type { ByteStream } from '../core/stream.js'
import type { Millis } from '../core/types.js'
import { StreamDuplex } from '../io/stream-duplex.js'
import { MAX_HTTP_HEAD } from './limits.js'

/** Milliseconds after which an idle connection is used only for requests that may be sent again. */
const SURE_REUSE = 1_000

export interface UpstreamConnection {
  readonly duplex: StreamDuplex
  /** It has carried an answer before, so the server may be closing it at this moment. */
  readonly reused: boolean
}

export class Upstream {
  #idle: { readonly key: string; readonly duplex: StreamDuplex; readonly since: Millis } | undefined
  #closed = false

  /**
   * A connection to the server named by `key`. `repeatable` requests get one that was idle for any
   * time, others only when it was used just now; `fresh` asks for a new one.
   */
  async take(
    key: string,
    options: { readonly repeatable: boolean; readonly fresh: boolean },
    dial: () => Promise<ByteStream>,
  ): Promise<UpstreamConnection> {
    const idle = this.#takeIdle()
    if (idle !== undefined) {
      const age = performance.now() - idle.since
      const usable = idle.key === key && (options.repeatable || age < SURE_REUSE)
      if (usable && !options.fresh) return { duplex: idle.duplex, reused: true }
      idle.duplex.destroy()
    }
    const duplex = new StreamDuplex(await dial())
    duplex.on('error', ignore)
    duplex.on('free', () => this.#keep(key, duplex))
    return { duplex, reused: false }
  }

  close(): void {
    this.#closed = true
    this.#takeIdle()?.duplex.destroy()
  }

  #keep(key: string, duplex: StreamDuplex): void {
    if (this.#closed || duplex.destroyed || this.#idle !== undefined) {
      duplex.destroy()
      return
    }
    this.#idle = { key, duplex, since: performance.now() }
    // An answer that nobody asked for must never be taken for that of the next request.
    duplex.on('data', dropIdle)
    duplex.on('end', dropIdle)
    duplex.on('close', this.#forget)
  }

  #takeIdle(): { key: string; duplex: StreamDuplex; since: Millis } | undefined {
    const idle = this.#idle
    this.#idle = undefined
    idle?.duplex.removeListener('data', dropIdle)
    idle?.duplex.removeListener('end', dropIdle)
    idle?.duplex.removeListener('close', this.#forget)
    return idle?.duplex.destroyed === true ? undefined : idle
  }

  readonly #forget = (): void => {
    this.#idle = undefined
  }
}

/**
 * A request on that connection; the fields go out exactly as given, plus Connection. Throws when
 * node:http refuses to write such a head, with the connection closed.
 */
export function requestOn(
  duplex: StreamDuplex,
  options: { readonly method: string; readonly path: string; readonly fields: string[] },
): ClientRequest {
  const all: RequestOptions = {
    agent: new FixedAgent(duplex),
    method: options.method,
    path: options.path,
    headers: options.fields as unknown as NonNullable<RequestOptions['headers']>,
    setHost: false,
    maxHeaderSize: MAX_HTTP_HEAD,
    insecureHTTPParser: false,
    joinDuplicateHeaders: false,
  }
  const out = made(all, duplex)
  // No fields are left out of the answer: its head is bounded in bytes.
  out.maxHeadersCount = 0
  return out
}

function made(options: RequestOptions, duplex: StreamDuplex): ClientRequest {
  try {
    return request(options)
  } catch (error) {
    duplex.destroy()
    throw error
  }
}

/** Gives its one connection to the request, instead of a pool's. */
class FixedAgent extends Agent {
  readonly #duplex: StreamDuplex

  constructor(duplex: StreamDuplex) {
    super({ keepAlive: true })
    this.#duplex = duplex
  }

  /** What node:http calls to get a connection for a request. */
  addRequest(request: ClientRequest): void {
    // A Duplex serves as well as a Socket (documented for createConnection).
    request.onSocket(this.#duplex as unknown as Parameters<ClientRequest['onSocket']>[0])
  }
}

function dropIdle(this: StreamDuplex): void {
  this.destroy()
}

function ignore(): void {}
