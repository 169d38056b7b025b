/**
 * The `direct` environment: the host's own network and resolver, the paper's *real environment*.
 * There is no tunnel and no stack; what listeners ask for is done by the host.
 */
import type { CallOptions, EnvironmentState, LookupOptions } from '../core/environment.js'
import { PvpnError } from '../core/errors.js'
import type { NetworkFigures } from '../core/figures.js'
import { formatIp, parseIp } from '../core/ip.js'
import type { ManagedEnvironment, TunnelStatus } from '../core/managed-environment.js'
import type { ByteStream, DatagramPort, StreamListener } from '../core/stream.js'
import type { Bytes, Millis, Target } from '../core/types.js'
import { connectHost, listenHost } from '../io/host-connect.js'
import { bindHostUdp } from '../io/host-datagram.js'
import { exchangeHost, hostDnsServers, lookupHost, reverseHost } from '../io/host-dns.js'
import {
  answersQuery,
  dnsFailure,
  isDnsQuery,
  RCODE_FORMERR,
  RCODE_SERVFAIL,
} from '../wire/dns-raw.js'
import { MAX_DIRECT_EXCHANGES } from './limits.js'
import { StateMachine } from './state.js'

export interface DirectEnvironmentOptions {
  readonly name: string
  /** Seconds until "no answer". */
  readonly connectTimeout: number
  /** Called after each change of state. */
  readonly onState?: () => void
}

export function createDirect(options: DirectEnvironmentOptions): ManagedEnvironment {
  return new DirectEnvironment(options)
}

class DirectEnvironment implements ManagedEnvironment {
  readonly name: string
  readonly link = undefined
  readonly #timeout: Millis
  readonly #machine: StateMachine
  #exchanges = 0

  constructor(options: DirectEnvironmentOptions) {
    this.name = options.name
    this.#timeout = options.connectTimeout * 1000
    this.#machine = new StateMachine(() => options.onState?.())
  }

  get state(): EnvironmentState {
    return this.#machine.state
  }

  get error(): PvpnError | undefined {
    return this.#machine.error
  }

  get upSince(): Millis | undefined {
    return this.#machine.upSince
  }

  get dns(): { servers: readonly string[]; search: readonly string[] } {
    return { servers: hostDnsServers().map((server) => server.address), search: [] }
  }

  /** The host's interfaces count for everybody: the bytes of this environment's programs are counted at its listeners. */
  get tunnelStatus(): TunnelStatus {
    return {
      type: 'direct',
      endpoint: undefined,
      lastHandshake: undefined,
      bytesIn: 0,
      bytesOut: 0,
    }
  }

  get figures(): NetworkFigures {
    return {}
  }

  async start(): Promise<void> {
    if (this.state !== 'stopped') return
    this.#machine.starting()
    this.#machine.up(performance.now())
  }

  async stop(): Promise<void> {
    this.#machine.stopped()
  }

  async dial(target: Target, options: CallOptions = {}): Promise<ByteStream> {
    this.#mustBeUp()
    return connectHost(target, { timeout: this.#timeout, ...options })
  }

  async lookup(name: string, options: LookupOptions = {}): Promise<readonly string[]> {
    this.#mustBeUp()
    const ip = parseIp(name)
    if (ip === undefined) return lookupHost(name, options.family)
    if (options.family === undefined || options.family === (ip.length === 4 ? 4 : 6)) {
      return [formatIp(ip)]
    }
    throw new PvpnError('ERR_NAME', `${name}: not an address of IPv${options.family}`)
  }

  async reverse(address: string): Promise<readonly string[]> {
    this.#mustBeUp()
    return reverseHost(address)
  }

  async exchange(
    query: Bytes,
    transport: 'udp' | 'tcp',
    options: CallOptions = {},
  ): Promise<Bytes> {
    if (!isDnsQuery(query)) return dnsFailure(query, RCODE_FORMERR)
    if (this.state !== 'up' || this.#exchanges >= MAX_DIRECT_EXCHANGES) {
      return dnsFailure(query, RCODE_SERVFAIL)
    }
    this.#exchanges++
    try {
      const accept = (answer: Bytes) => answersQuery(answer, query)
      const answer = await exchangeHost(query, transport, accept, options.signal)
      return answer ?? dnsFailure(query, RCODE_SERVFAIL)
    } finally {
      this.#exchanges--
    }
  }

  async bindUdp(
    options: { readonly port?: number; readonly family?: 4 | 6 } = {},
  ): Promise<DatagramPort> {
    this.#mustBeUp()
    return bindHostUdp({ port: options.port ?? 0, family: options.family ?? 4 })
  }

  async listenTcp(options: {
    readonly port: number
    readonly backlog?: number
    readonly family?: 4 | 6
  }): Promise<StreamListener> {
    this.#mustBeUp()
    return listenHost(options)
  }

  #mustBeUp(): void {
    if (this.state !== 'up') throw this.#machine.refusal(this.name)
  }
}
