/**
 * An environment whose tunnel carries IP packets: its own stack, resolver and tunnel behind the
 * `Environment` contract. Anything but `up` refuses: nothing here knows the host's network.
 */
import type { DatagramSocket } from '../core/datagram-socket.js'
import type { CallOptions, EnvironmentState, LookupOptions } from '../core/environment.js'
import { PvpnError } from '../core/errors.js'
import type { NetworkFigures } from '../core/figures.js'
import { formatHostPort, parseIp } from '../core/ip.js'
import type { KnownSecrets } from '../core/known-secrets.js'
import type { Logger } from '../core/log.js'
import type { ManagedEnvironment, PacketGate, TunnelStatus } from '../core/managed-environment.js'
import type { DnsOptions } from '../core/options.js'
import type { Answers } from '../core/question.js'
import { parseSocketAddress } from '../core/socket-address.js'
import {
  type ByteStream,
  type DatagramPort,
  type StreamListener,
  unattended,
} from '../core/stream.js'
import type { PacketTunnel, TunnelEvent } from '../core/tunnel.js'
import type { Bytes, Clock, Endpoint, LinkInfo, Random, Target } from '../core/types.js'
import type { Stack, TcpSocket } from '../stack/contract.js'
import { familiesOf } from './dns-config.js'
import { dnsFigures } from './figures.js'
import { dialHappyEyeballs } from './happy-eyeballs.js'
import { PacketDriver } from './packet-driver.js'
import { createResolver, type EnvironmentResolver } from './resolver.js'
import { StateMachine } from './state.js'

export interface PacketEnvironmentOptions {
  readonly name: string
  /** As the configuration names it, for status. */
  readonly tunnelType: string
  readonly dns: DnsOptions
  /** Seconds a dial may take in all. */
  readonly connectTimeout: number
  readonly tunnel: PacketTunnel
  readonly stack: Stack
  readonly socket: DatagramSocket
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** What the server may have been given, and may repeat. */
  readonly secrets: KnownSecrets
  readonly soon: (run: () => void) => void
  /** Addresses of a tunnel's own endpoint, asked of the host's resolver (the only names that are). */
  readonly resolveEndpoint: (host: string) => Promise<readonly string[]>
  readonly onState: () => void
  /** Set where another environment carries the tunnel. */
  readonly carrier?: {
    /** Why it carries nothing now. */
    readonly problem: PvpnError | undefined
    onProblem: () => void
    /** Largest packet of ours that it has room for, in bytes. */
    readonly mtu: number
  }
}

export class PacketEnvironment implements ManagedEnvironment {
  readonly name: string
  readonly packetGate: PacketGate
  readonly #o: PacketEnvironmentOptions
  readonly #driver: PacketDriver
  readonly #resolver: EnvironmentResolver
  readonly #states: StateMachine
  #link: LinkInfo

  constructor(options: PacketEnvironmentOptions) {
    this.#o = options
    this.name = options.name
    this.#link = options.tunnel.link
    this.#states = new StateMachine(options.onState)
    const { carrier } = options
    if (carrier !== undefined) {
      carrier.onProblem = () => {
        if (carrier.problem !== undefined) this.#states.trying(carrier.problem)
      }
    }
    this.#driver = new PacketDriver({
      ...(carrier === undefined ? {} : { room: () => carrier.mtu }),
      tunnel: options.tunnel,
      stack: options.stack,
      socket: options.socket,
      clock: options.clock,
      soon: options.soon,
      onEvent: (event) => this.#event(event),
    })
    this.packetGate = this.#gate()
    this.#resolver = createResolver({
      dns: options.dns,
      clock: options.clock,
      random: options.random,
      logger: options.logger,
      transport: {
        openUdp: async (family) => this.#bindUdp({ family }),
        dialTcp: (endpoint, signal) => this.#connect(endpoint, signal),
      },
    })
  }

  get state(): EnvironmentState {
    return this.#states.state
  }

  get error(): PvpnError | undefined {
    return this.#states.error
  }

  get link(): LinkInfo {
    return this.#link
  }

  /** Monotonic time since which the tunnel is up; undefined when it is not. */
  get upSince(): number | undefined {
    return this.#states.upSince
  }

  get dns(): { readonly servers: readonly string[]; readonly search: readonly string[] } {
    return this.#resolver.current
  }

  get tunnelStatus(): TunnelStatus {
    const { counters, endpoint, lastHandshake } = this.#o.tunnel
    return {
      type: this.#o.tunnelType,
      endpoint,
      lastHandshake,
      bytesIn: counters.bytesIn,
      bytesOut: counters.bytesOut,
    }
  }

  get figures(): NetworkFigures {
    const { packetsIn, packetsOut, drops: tunnelDrops, handshakes } = this.#o.tunnel.counters
    const { drops: stackDrops, tcp } = this.#o.stack.counters
    return {
      packets: { in: packetsIn, out: packetsOut, tunnelDrops, stackDrops },
      ...(handshakes === undefined ? {} : { handshakes }),
      tcp,
      dns: dnsFigures(this.#resolver.stats()),
    }
  }

  async start(): Promise<void> {
    this.#states.starting()
    this.#o.stack.configure(this.#link, this.#o.clock.now())
    this.#driver.start()
  }

  async stop(): Promise<void> {
    this.#states.stopped()
    this.#resolver.close()
    // Without an address connections are closed with ERR_DOWN, those under way too; the last turn tells them.
    this.#o.stack.configure({ ...this.#link, addresses: [] }, this.#o.clock.now())
    this.#driver.close()
    await this.#driver.closed
    await this.#o.socket.flushed
  }

  answer(answers: Answers): void {
    if (this.state !== 'failed' || this.#o.tunnel.answer === undefined) return
    this.#o.secrets.answered(this.error?.asks ?? [], answers)
    this.#states.starting()
    this.#o.tunnel.answer(answers, this.#o.clock.now())
    this.#driver.wake()
  }

  async dial(target: Target, options: CallOptions = {}): Promise<ByteStream> {
    this.#requireUp()
    return await dialHappyEyeballs({
      target,
      resolve: (name, onAddresses, how) => this.#resolver.lookupEach(name, onAddresses, how),
      families: familiesOf(this.#link),
      timeout: this.#o.connectTimeout * 1000,
      clock: this.#o.clock,
      connect: (endpoint, signal) => this.#connect(endpoint, signal),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
  }

  async lookup(name: string, options?: LookupOptions): Promise<readonly string[]> {
    this.#requireUp()
    return await this.#resolver.lookup(name, options)
  }

  async reverse(address: string, options?: CallOptions): Promise<readonly string[]> {
    this.#requireUp()
    return await this.#resolver.reverse(address, options)
  }

  async exchange(query: Bytes, transport: 'udp' | 'tcp', options?: CallOptions): Promise<Bytes> {
    return await this.#resolver.exchange(query, transport, options)
  }

  async bindUdp(options: { port?: number; family?: 4 | 6 } = {}): Promise<DatagramPort> {
    this.#requireUp()
    return this.#bindUdp(options)
  }

  async listenTcp(options: {
    port: number
    backlog?: number
    family?: 4 | 6
  }): Promise<StreamListener> {
    this.#requireUp()
    return this.#o.stack.listenTcp(options)
  }

  #bindUdp(options: { port?: number; family?: 4 | 6 }): DatagramPort {
    return this.#o.stack.bindUdp(options)
  }

  #event(told: TunnelEvent): void {
    const { logger, tunnel, secrets } = this.#o
    const event = 'error' in told ? { ...told, error: secrets.clean(told.error) } : told
    switch (event.kind) {
      case 'up':
        this.#link = event.link
        this.#resolver.configure(event.link)
        this.#states.up(this.#o.clock.now())
        for (const words of event.link.leftOut ?? []) {
          logger.warn({}, `the server gives what can't be, left out: ${secrets.blank(words)}`)
        }
        if (event.link.banner !== undefined) {
          logger.info({}, `the server says: ${secrets.blank(event.link.banner)}`)
        }
        logger.info({ endpoint: tunnel.endpoint, addresses: event.link.addresses }, 'tunnel up')
        break
      case 'down':
        this.#resolver.configure(undefined)
        this.#states.down(this.#o.carrier?.problem ?? event.error)
        logger.warn({ code: event.error.code }, `tunnel down: ${event.error.message}`)
        break
      case 'trying':
        this.#states.trying(this.#o.carrier?.problem ?? event.error)
        logger.warn({ code: event.error.code }, event.error.message)
        break
      case 'failed':
        this.#resolver.configure(undefined)
        this.#states.failed(event.error)
        logger.error({ code: event.error.code }, event.error.message)
        break
      case 'resolve':
        void this.#resolveEndpoint(event.host, event.port, event.id)
        break
      default:
        event satisfies never
    }
  }

  async #resolveEndpoint(host: string, port: number, id: number): Promise<void> {
    const addresses: Bytes[] = []
    try {
      for (const address of await this.#o.resolveEndpoint(host)) {
        const record = parseSocketAddress({ address, port })
        if (record !== undefined) addresses.push(record)
      }
    } catch (thrown) {
      const code = (thrown as { code?: unknown }).code
      this.#o.logger.warn({ host, code }, 'the name of the tunnel endpoint does not resolve')
    }
    if (this.#states.state === 'stopped') return
    this.#o.tunnel.resolved(id, addresses, this.#o.clock.now())
    this.#driver.wake()
  }

  #gate(): PacketGate {
    const { stack, tunnel } = this.#o
    return {
      get onPacket() {
        return stack.onUnclaimed
      },
      set onPacket(take) {
        stack.onUnclaimed = take
      },
      transmit: (batch) => {
        if (this.state === 'up') this.#driver.transmit(batch)
      },
      routes: (address) => tunnel.routes(address),
    }
  }

  #requireUp(): void {
    if (this.#states.state !== 'up') throw this.#states.refusal(this.name)
  }

  /** One connection attempt to one address. Aborting it sends no more than a RST. */
  async #connect(endpoint: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    this.#requireUp()
    signal.throwIfAborted()
    const ip = parseIp(endpoint.address)
    if (ip === undefined || !this.#o.tunnel.routes(ip)) {
      const { why, hint } = NO_ROUTE[this.#o.tunnelType === 'wireguard' ? 'wireguard' : 'other']
      throw new PvpnError(
        'ERR_NET_UNREACHABLE',
        `${formatHostPort(endpoint.address, endpoint.port)} is not reachable in environment "${this.name}": ${why}`,
        { hint },
      )
    }
    const socket = this.#o.stack.connectTcp(endpoint, this.#o.clock.now())
    return await connected(socket, signal)
  }
}

/** Why nothing leads to an address, in the tunnel's own words. */
const NO_ROUTE = {
  wireguard: {
    why: 'no AllowedIPs of a peer has it',
    hint: "add the network to AllowedIPs in the tunnel's file",
  },
  other: {
    why: 'the server gives no route to it',
    hint: "add a route to the tunnel's file, or have the server push one",
  },
} as const

function connected(socket: TcpSocket, signal: AbortSignal): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      socket.abort()
      reject(new PvpnError('ERR_ABORTED', 'the connection attempt was given up'))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.onConnect = () => {
      signal.removeEventListener('abort', onAbort)
      // The one who dials gets the stream some promises later: a close in between is for them.
      socket.onClose = unattended
      resolve(socket)
    }
    socket.onClose = (error) => {
      signal.removeEventListener('abort', onAbort)
      reject(error ?? new PvpnError('ERR_RESET', 'the connection closed while it was opened'))
    }
  })
}
