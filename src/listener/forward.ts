/** A port forward: a fixed port on the host that leads to one target inside. */
import type { Environment } from '../core/environment.js'
import { PvpnError, toPvpnError } from '../core/errors.js'
import type { Outcome } from '../core/figures.js'
import { formatListenAddress, listenProblem } from '../core/listen-address.js'
import type { Logger } from '../core/log.js'
import type { ForwardOptions } from '../core/options.js'
import type { Lifecycle } from '../core/types.js'
import { bindHostUdp } from '../io/host-datagram.js'
import type { LeanSocket } from '../io/lean-socket.js'
import { listenLean } from '../io/listen.js'
import { Relay } from '../io/relay.js'
import { ClientReader } from './client-reader.js'
import { MAX_FORWARD_CONNECTIONS } from './limits.js'
import { targetText } from './listener-context.js'
import { type FarSide, UdpSessions } from './udp-sessions.js'

export interface ForwardListenerOptions {
  readonly forward: ForwardOptions
  readonly environment: Environment
  /** Listen off loopback: a forward has no users. Default false. */
  readonly allowUnauthenticated?: boolean
  readonly logger: Logger
  /** How each TCP connection inside came out. */
  readonly onOutcome?: (outcome: Outcome) => void
}

export interface ForwardListener extends Lifecycle {
  /** As bound, with the real port; empty while not bound. */
  readonly addresses: readonly string[]
  /** TCP connections, or senders of datagrams. */
  readonly openConnections: number
}

/** `start` rejects with ERR_CONFIG when the address cannot be had or may not be opened. */
export function createForward(options: ForwardListenerOptions): ForwardListener {
  return options.forward.protocol === 'tcp' ? new TcpForward(options) : new UdpForward(options)
}

function checkListen(options: ForwardListenerOptions): void {
  const problem = listenProblem(options.forward.listen, {
    authenticated: false,
    allowUnauthenticated: options.allowUnauthenticated ?? false,
  })
  if (problem !== undefined) throw new PvpnError('ERR_CONFIG', problem)
}

class TcpForward implements ForwardListener {
  addresses: readonly string[] = []
  readonly #options: ForwardListenerOptions
  readonly #sockets = new Set<LeanSocket>()
  #close: () => void = () => {}

  constructor(options: ForwardListenerOptions) {
    this.#options = options
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  async start(): Promise<void> {
    checkListen(this.#options)
    const bound = await listenLean(this.#options.forward.listen, (socket) => {
      void this.#serve(socket)
    })
    this.addresses = [formatListenAddress(bound.address)]
    this.#close = () => bound.close()
  }

  async stop(): Promise<void> {
    this.#close()
    this.addresses = []
    for (const socket of this.#sockets) socket.reset()
  }

  async #serve(socket: LeanSocket): Promise<void> {
    if (this.#sockets.size >= MAX_FORWARD_CONNECTIONS) {
      socket.reset()
      return
    }
    this.#sockets.add(socket)
    socket.onGone = () => this.#sockets.delete(socket)
    const { forward, environment, logger, onOutcome } = this.#options
    const reader = new ClientReader(socket)
    try {
      const stream = await environment.dial(forward.to, { signal: reader.signal })
      onOutcome?.('ok')
      new Relay(socket, stream, { head: reader.release(), ended: reader.ended })
    } catch (thrown) {
      const error = toPvpnError(thrown)
      onOutcome?.(error.code)
      logger.debug({ target: targetText(forward.to), code: error.code }, error.message)
      socket.reset()
    }
  }
}

class UdpForward implements ForwardListener {
  addresses: readonly string[] = []
  readonly #options: ForwardListenerOptions
  #sessions: UdpSessions | undefined

  constructor(options: ForwardListenerOptions) {
    this.#options = options
  }

  get openConnections(): number {
    return this.#sessions?.size ?? 0
  }

  async start(): Promise<void> {
    checkListen(this.#options)
    const { listen } = this.#options.forward
    if (listen.kind === 'unix') {
      throw new PvpnError('ERR_CONFIG', `${formatListenAddress(listen)}: UDP needs ADDRESS:PORT`)
    }
    const { address, port } = listen
    const near = await bindHostUdp({ address, port, family: address.includes(':') ? 6 : 4 }).catch(
      (error: unknown) => {
        throw new PvpnError('ERR_CONFIG', toPvpnError(error).message, { cause: error })
      },
    )
    this.#sessions = new UdpSessions(near, () => this.#open())
    this.addresses = [formatListenAddress({ ...listen, port: near.local.port })]
  }

  async stop(): Promise<void> {
    this.#sessions?.close()
    this.#sessions = undefined
    this.addresses = []
  }

  async #open(): Promise<FarSide> {
    const { environment, forward } = this.#options
    const [address = ''] = await environment.lookup(forward.to.host)
    const port = await environment.bindUdp({ family: address.includes(':') ? 6 : 4 })
    return { port, to: { address, port: forward.to.port } }
  }
}
