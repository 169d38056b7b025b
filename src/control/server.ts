/** The control API's two doors: the Unix socket for the commands, and the control port. */
import { chmod, unlink } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { PvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import type { ListenAddress } from '../core/options.js'
import type { Gateway, Policy } from '../gateway/contract.js'
import { controlApp } from './app.js'
import type { GuardOptions } from './credentials.js'
import * as limits from './limits.js'

export interface ControlServerOptions {
  readonly gateway: Gateway
  readonly policy: Policy
  readonly version: string
  readonly token: string
  /** Path of the control socket; its folder must be ours alone. */
  readonly socket: string
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

export class ControlServer {
  readonly #options: ControlServerOptions
  readonly #app: FastifyInstance
  readonly #guards: WeakMap<Socket, GuardOptions>
  readonly #socket: Server
  #port: { readonly server: Server; readonly wanted: string; readonly text: string } | undefined

  private constructor(
    options: ControlServerOptions,
    app: FastifyInstance,
    guards: WeakMap<Socket, GuardOptions>,
  ) {
    this.#options = options
    this.#app = app
    this.#guards = guards
    this.#socket = boundedServer((request, response) => this.#app.routing(request, response))
  }

  /** Makes the app and opens the control socket; a stale socket file is replaced (the caller holds the gateway's lock). */
  static async open(options: ControlServerOptions): Promise<ControlServer> {
    const guards = new WeakMap<Socket, GuardOptions>()
    const app = await controlApp({
      gateway: options.gateway,
      policy: options.policy,
      version: options.version,
      guardOf: (request) => guards.get(request.raw.socket),
    })
    const control = new ControlServer(options, app, guards)
    await unlink(options.socket).catch(() => {})
    await listening(control.#socket, { path: options.socket })
    await chmod(options.socket, 0o600)
    return control
  }

  /** Where the control port listens, as text; null when it is off. */
  get listening(): string | null {
    return this.#port?.text ?? null
  }

  /** Moves the control port; undefined turns it off. On failure it is off and the reason is thrown (ERR_CONFIG). */
  async listen(address: ListenAddress | undefined): Promise<void> {
    const wanted = JSON.stringify(address ?? null)
    if (this.#port?.wanted === wanted) return
    this.#closePort()
    if (address === undefined) return
    const server = boundedServer((request, response) => this.#app.routing(request, response))
    const guard = {
      address: address.kind === 'tcp' ? address.address : '127.0.0.1',
      token: this.#options.token,
    }
    server.on('connection', (socket) => this.#guards.set(socket, guard))
    const where = address.kind === 'tcp' ? { host: address.address, port: address.port } : address
    await listening(server, where)
    const bound = server.address() as AddressInfo | string
    const text =
      typeof bound === 'string' ? `unix:${bound}` : formatHostPort(bound.address, bound.port)
    this.#port = { server, wanted, text }
  }

  /** Closes both doors and every connection, event streams included. */
  async close(): Promise<void> {
    this.#closePort()
    this.#socket.close()
    this.#socket.closeAllConnections()
    await this.#app.close()
  }

  #closePort(): void {
    this.#port?.server.close()
    this.#port?.server.closeAllConnections()
    this.#port = undefined
  }
}

function boundedServer(handler: Handler): Server {
  const server = createServer(
    {
      maxHeaderSize: limits.HEAD_MOST,
      headersTimeout: limits.HEAD_TIMEOUT,
      requestTimeout: limits.REQUEST_TIMEOUT,
      keepAliveTimeout: limits.KEEP_ALIVE_TIMEOUT,
      connectionsCheckingInterval: limits.TIMEOUT_CHECK,
    },
    handler,
  )
  server.maxConnections = limits.CONTROL_CONNECTIONS
  return server
}

function listening(
  server: Server,
  where: { readonly path: string } | { readonly host: string; readonly port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const place = 'path' in where ? where.path : formatHostPort(where.host, where.port)
      const why =
        error.code === 'EADDRINUSE' ? ' is in use by another program' : `: ${error.message}`
      reject(new PvpnError('ERR_CONFIG', `control listener ${place}${why}`))
    })
    server.listen(where, () => {
      server.removeAllListeners('error')
      server.on('error', () => {})
      resolve()
    })
  })
}
