/** A local service made reachable from inside: a port inside that leads to a target on the host. */
import type { Environment } from '../core/environment.js'
import { toPvpnError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { PublishOptions } from '../core/options.js'
import type { ByteStream } from '../core/stream.js'
import type { Lifecycle } from '../core/types.js'
import { connectHostSocket } from '../io/host-connect.js'
import { bindHostUdp } from '../io/host-datagram.js'
import { lookupHost } from '../io/host-dns.js'
import { HostSocket } from '../io/host-socket.js'
import { Relay } from '../io/relay.js'
import { MAX_FORWARD_CONNECTIONS, PUBLISH_CONNECT_TIMEOUT } from './limits.js'
import { targetText } from './listener-context.js'
import { UdpSessions } from './udp-sessions.js'

export interface PublishedPortOptions {
  readonly publish: PublishOptions
  readonly environment: Environment
  readonly logger: Logger
}

export interface PublishedPort extends Lifecycle {
  /** Port inside; undefined while not open. */
  readonly port: number | undefined
  /** TCP connections, or senders of datagrams. */
  readonly openConnections: number
}

/**
 * `start` opens the port inside, so the environment must be up; it rejects with the environment's
 * PvpnError. A far side whose connection the service does not accept is reset.
 */
export function createPublishedPort(options: PublishedPortOptions): PublishedPort {
  return options.publish.protocol === 'tcp' ? new TcpPort(options) : new UdpPort(options)
}

class TcpPort implements PublishedPort {
  port: number | undefined
  readonly #options: PublishedPortOptions
  readonly #open = new Set<{ abort(): void }>()
  #close: () => void = () => {}

  constructor(options: PublishedPortOptions) {
    this.#options = options
  }

  get openConnections(): number {
    return this.#open.size
  }

  async start(): Promise<void> {
    const { environment, publish } = this.#options
    const listener = await environment.listenTcp({ port: publish.port })
    listener.onConnection = (stream) => void this.#serve(stream)
    this.#close = () => listener.close()
    this.port = listener.local.port
  }

  async stop(): Promise<void> {
    this.#close()
    this.port = undefined
    for (const connection of this.#open) connection.abort()
    this.#open.clear()
  }

  async #serve(stream: ByteStream): Promise<void> {
    if (this.#open.size >= MAX_FORWARD_CONNECTIONS) {
      stream.abort()
      return
    }
    const { publish, logger } = this.#options
    const gone = new AbortController()
    const waiting = {
      abort: () => {
        gone.abort()
        stream.abort()
      },
    }
    stream.onClose = () => gone.abort()
    this.#open.add(waiting)
    try {
      const socket = await connectHostSocket(publish.to, {
        timeout: PUBLISH_CONNECT_TIMEOUT,
        signal: gone.signal,
      })
      const relay = new Relay(new HostSocket(socket), stream, {
        onDone: () => this.#open.delete(relay),
      })
      this.#open.add(relay)
    } catch (thrown) {
      const error = toPvpnError(thrown)
      logger.debug({ service: targetText(publish.to), code: error.code }, error.message)
      stream.abort()
    } finally {
      this.#open.delete(waiting)
    }
  }
}

class UdpPort implements PublishedPort {
  port: number | undefined
  readonly #options: PublishedPortOptions
  #sessions: UdpSessions | undefined

  constructor(options: PublishedPortOptions) {
    this.#options = options
  }

  get openConnections(): number {
    return this.#sessions?.size ?? 0
  }

  async start(): Promise<void> {
    const { environment, publish } = this.#options
    const near = await environment.bindUdp({ port: publish.port })
    this.port = near.local.port
    this.#sessions = new UdpSessions(near, async () => {
      const [address = ''] = await lookupHost(publish.to.host, undefined)
      const port = await bindHostUdp({ family: address.includes(':') ? 6 : 4 })
      return { port, to: { address, port: publish.to.port } }
    })
  }

  async stop(): Promise<void> {
    this.#sessions?.close()
    this.#sessions = undefined
    this.port = undefined
  }
}
