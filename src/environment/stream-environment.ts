/**
 * An environment whose tunnel carries streams (`socks5`, `http`, `ssh`): what listeners ask for is
 * dialled by the server. Names go to the far side, or to `dns.servers` asked through the tunnel.
 */
import type { CallOptions, EnvironmentState, LookupOptions } from '../core/environment.js'
import { PvpnError, toPvpnError } from '../core/errors.js'
import type { NetworkFigures } from '../core/figures.js'
import { parseIp } from '../core/ip.js'
import type { KnownSecrets } from '../core/known-secrets.js'
import type { Logger } from '../core/log.js'
import type { ManagedEnvironment, TunnelStatus } from '../core/managed-environment.js'
import type { DnsOptions } from '../core/options.js'
import type { Answers } from '../core/question.js'
import type { ByteStream, DatagramPort, StreamListener } from '../core/stream.js'
import type { StreamTunnel } from '../core/stream-tunnel.js'
import type { Bytes, Clock, Endpoint, LinkInfo, Millis, Random, Target } from '../core/types.js'
import { dnsFigures } from './figures.js'
import { dialHappyEyeballs } from './happy-eyeballs.js'
import {
  MAX_TUNNEL_STREAMS,
  STREAM_CHECK_INTERVAL,
  STREAM_RETRY_ASKED,
  STREAM_RETRY_FIRST,
  STREAM_RETRY_MOST,
} from './limits.js'
import { createResolver, type EnvironmentResolver } from './resolver.js'
import { StateMachine } from './state.js'
import { TunnelStream } from './tunnel-stream.js'

export interface StreamEnvironmentOptions {
  readonly name: string
  /** As the configuration names it, for status. */
  readonly tunnelType: string
  readonly dns: DnsOptions
  /** Seconds a dial may take in all. */
  readonly connectTimeout: number
  readonly tunnel: StreamTunnel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** What the server may have been given, and may repeat. */
  readonly secrets: KnownSecrets
  readonly onState: () => void
}

/** There are no addresses of our own, and no server that the tunnel brings. */
const NO_LINK: LinkInfo = { addresses: [], dns: [], search: [], mtu: 0 }

export class StreamEnvironment implements ManagedEnvironment {
  readonly name: string
  readonly link = undefined
  readonly #o: StreamEnvironmentOptions
  readonly #states: StateMachine
  readonly #resolver: EnvironmentResolver
  readonly #counts = { bytesIn: 0, bytesOut: 0 }
  readonly #checks = { completed: 0, failed: 0 }
  readonly #open = new Set<TunnelStream>()
  #dialling = 0
  #checking: AbortController | undefined
  #cancelTimer: (() => void) | undefined
  #retry: Millis = STREAM_RETRY_FIRST
  /** When the timer looks again; undefined: a look is on, or none is meant to come. */
  #nextCheck: Millis | undefined
  #lastFailure: Millis = 0
  #lastCheck: Millis | undefined

  constructor(options: StreamEnvironmentOptions) {
    this.#o = options
    this.name = options.name
    this.#states = new StateMachine(options.onState)
    options.tunnel.onLost = (error) => this.#lost(error)
    this.#resolver = createResolver({
      dns: options.dns,
      clock: options.clock,
      random: options.random,
      logger: options.logger,
      transport: {
        openUdp: (family) => this.#bindUdp(family),
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

  get upSince(): Millis | undefined {
    return this.#states.upSince
  }

  get dns(): { readonly servers: readonly string[]; readonly search: readonly string[] } {
    return this.#resolver.current
  }

  get tunnelStatus(): TunnelStatus {
    const { tunnel, tunnelType } = this.#o
    return {
      type: tunnelType,
      endpoint: tunnel.endpoint,
      lastHandshake: this.#lastCheck,
      ...this.#counts,
    }
  }

  get figures(): NetworkFigures {
    return { handshakes: this.#checks, dns: dnsFigures(this.#resolver.stats()) }
  }

  async start(): Promise<void> {
    if (this.state !== 'stopped') return
    this.#states.starting()
    this.#check()
  }

  async stop(): Promise<void> {
    this.#states.stopped()
    this.#checking?.abort()
    this.#cancelTimer?.()
    this.#nextCheck = undefined
    this.#resolver.close()
    this.#endStreams()
    this.#o.tunnel.close()
  }

  answer(answers: Answers): void {
    if (this.state !== 'failed' || this.#o.tunnel.answer === undefined) return
    this.#o.secrets.answered(this.error?.asks ?? [], answers)
    this.#states.starting()
    this.#o.tunnel.answer(answers)
    this.#check()
  }

  async dial(target: Target, options: CallOptions = {}): Promise<ByteStream> {
    this.#requireUp()
    const { clock, connectTimeout } = this.#o
    const far = parseIp(target.host) === undefined && !this.#resolvesHere(target.host)
    return await dialHappyEyeballs({
      target,
      // A name for the far side is one address that only it understands.
      resolve: far
        ? async (name, onAddresses) => onAddresses([name], 4)
        : (name, onAddresses, how) => this.#resolver.lookupEach(name, onAddresses, how),
      families: [6, 4],
      timeout: connectTimeout * 1000,
      clock,
      connect: (endpoint, signal) => this.#connect(endpoint, signal),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
  }

  async lookup(name: string, options?: LookupOptions): Promise<readonly string[]> {
    this.#requireUp()
    if (parseIp(name) === undefined && !this.#resolvesHere(name)) {
      throw new PvpnError(
        'ERR_RESOLVER',
        `${name}: the addresses of names are known to the far side of environment "${this.name}" only`,
        { hint: 'set dns.servers: they are asked through the tunnel' },
      )
    }
    return await this.#resolver.lookup(name, options)
  }

  async reverse(address: string, options?: CallOptions): Promise<readonly string[]> {
    this.#requireUp()
    return await this.#resolver.reverse(address, options)
  }

  async exchange(query: Bytes, transport: 'udp' | 'tcp', options?: CallOptions): Promise<Bytes> {
    return await this.#resolver.exchange(query, transport, options)
  }

  async bindUdp(
    options: { readonly port?: number; readonly family?: 4 | 6 } = {},
  ): Promise<DatagramPort> {
    this.#requireUp()
    return await this.#bindUdp(options.family ?? 4)
  }

  async listenTcp(options: { readonly port: number }): Promise<StreamListener> {
    this.#requireUp()
    const { tunnel, tunnelType } = this.#o
    if (tunnel.listen !== undefined) return await tunnel.listen({ port: options.port })
    throw new PvpnError('ERR_UNSUPPORTED', `a tunnel of type ${tunnelType} takes no connections`)
  }

  /** Is this name asked of `dns.servers` (or known from the configuration)? Else it is the far side's. */
  #resolvesHere(name: string): boolean {
    const { servers, zones, hosts } = this.#o.dns
    if (servers !== undefined && servers.length > 0) return true
    const plain = name.toLowerCase().replace(/\.$/, '')
    if (Object.hasOwn(hosts, plain)) return true
    return Object.keys(zones).some((zone) => plain === zone || plain.endsWith(`.${zone}`))
  }

  async #bindUdp(family: 4 | 6): Promise<DatagramPort> {
    const { tunnel, tunnelType, connectTimeout } = this.#o
    if (tunnel.bindUdp === undefined) {
      throw new PvpnError('ERR_UNSUPPORTED', `a tunnel of type ${tunnelType} carries no UDP`)
    }
    const signal = AbortSignal.timeout(connectTimeout * 1000)
    return await tunnel.bindUdp({ family, signal })
  }

  async #connect(endpoint: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    this.#requireUp()
    if (this.#open.size + this.#dialling >= MAX_TUNNEL_STREAMS) {
      throw new PvpnError('ERR_LIMIT', `environment "${this.name}" has too many connections open`)
    }
    this.#dialling++
    try {
      const target = { host: endpoint.address, port: endpoint.port }
      const below = await this.#o.tunnel.dial(target, { signal })
      if (this.state === 'stopped' || signal.aborted) {
        below.abort()
        throw new PvpnError('ERR_ABORTED', 'the connection attempt was given up')
      }
      const stream = new TunnelStream(below, this.#counts, (gone) => this.#open.delete(gone))
      this.#open.add(stream)
      return stream
    } catch (thrown) {
      const error = this.#o.secrets.clean(toPvpnError(thrown))
      if (error.code === 'ERR_AUTH' || error.code === 'ERR_CONFIG') {
        this.#lost(error)
        throw this.#states.refusal(this.name)
      }
      // The server itself was not reached: is that so for everybody?
      if (error.code === 'ERR_DOWN') this.#check()
      throw error
    } finally {
      this.#dialling--
    }
  }

  #requireUp(): void {
    if (this.state === 'up') return
    this.#checkSooner()
    throw this.#states.refusal(this.name)
  }

  /** Somebody wants it: after a long outage the next look may be half a minute away. */
  #checkSooner(): void {
    const { clock } = this.#o
    const next = Math.max(clock.now(), this.#lastFailure + STREAM_RETRY_ASKED)
    if (this.#nextCheck === undefined || this.#nextCheck <= next) return
    this.#checkIn(next - clock.now())
  }

  #check(): void {
    if (this.#checking !== undefined || this.state === 'stopped') return
    this.#cancelTimer?.()
    this.#nextCheck = undefined
    const { clock, connectTimeout, tunnel } = this.#o
    const abort = new AbortController()
    this.#checking = abort
    const cancel = clock.at(clock.now() + connectTimeout * 1000, () => abort.abort())
    const settle = (): boolean => {
      cancel()
      this.#checking = undefined
      return this.state !== 'stopped'
    }
    tunnel.check({ signal: abort.signal }).then(
      () => {
        if (settle()) this.#alive()
      },
      (thrown: unknown) => {
        if (!settle()) return
        this.#checks.failed++
        const error = toPvpnError(thrown)
        const silent = error.code === 'ERR_ABORTED'
        this.#lost(
          silent
            ? new PvpnError('ERR_DOWN', `server unreachable: no answer from ${tunnel.endpoint}`, {
                hint: 'check the address of the server, and that it runs',
              })
            : error,
        )
      },
    )
  }

  #alive(): void {
    const { clock, logger, tunnel } = this.#o
    this.#retry = STREAM_RETRY_FIRST
    this.#lastCheck = clock.now()
    this.#checks.completed++
    if (this.state !== 'up') logger.info({ endpoint: tunnel.endpoint }, 'tunnel up')
    this.#resolver.configure(NO_LINK)
    this.#states.up(clock.now())
    this.#checkIn(STREAM_CHECK_INTERVAL)
  }

  #lost(told: PvpnError): void {
    if (this.state === 'stopped') return
    const { logger, secrets } = this.#o
    const error = secrets.clean(told)
    this.#resolver.configure(undefined)
    if (error.code === 'ERR_AUTH' || error.code === 'ERR_CONFIG') {
      this.#cancelTimer?.()
      this.#nextCheck = undefined
      this.#states.failed(error)
      logger.error({ code: error.code }, error.message)
      this.#endStreams()
      return
    }
    if (this.state === 'up') this.#states.down(error)
    else this.#states.trying(error)
    logger.warn({ code: error.code }, error.message)
    this.#lastFailure = this.#o.clock.now()
    this.#checkIn(this.#retry)
    this.#retry = Math.min(this.#retry * 2, STREAM_RETRY_MOST)
  }

  #checkIn(delay: Millis): void {
    const { clock } = this.#o
    this.#cancelTimer?.()
    this.#nextCheck = clock.now() + delay
    this.#cancelTimer = clock.at(this.#nextCheck, () => this.#check())
  }

  #endStreams(): void {
    const error = new PvpnError('ERR_DOWN', `environment "${this.name}" is not up any more`)
    for (const stream of this.#open) stream.fail(error)
  }
}
