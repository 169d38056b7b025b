/** The environment's resolver: drives the machine of src/dns over the environment's own stack. */
import type { CallOptions, LookupOptions, Resolver } from '../core/environment.js'
import { PvpnError } from '../core/errors.js'
import { formatIp, parseIp } from '../core/ip.js'
import type { Logger } from '../core/log.js'
import type { DnsOptions } from '../core/options.js'
import type { Bytes, Clock, LinkInfo, Random } from '../core/types.js'
import { DNS_FAMILY_GRACE } from '../dns/limits.js'
import { ResolverMachine, type ResolverOutput } from '../dns/machine.js'
import type { LookupType } from '../dns/query.js'
import type { ResolverStats } from '../dns/stats.js'
import type { ResolverConfig } from '../dns/view.js'
import { DnsAttempts, type DnsTransport } from './dns-attempts.js'
import {
  type AddressFamily,
  asciiName,
  DNS_PORT,
  effectiveConfig,
  familiesOf,
} from './dns-config.js'

export type { AddressFamily, DnsTransport, ResolverStats }

export interface ResolverOptions {
  readonly dns: DnsOptions
  readonly transport: DnsTransport
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface EnvironmentResolver extends Resolver {
  /**
   * As `lookup`, but hands over each family's addresses as they arrive, for happy eyeballs. Resolves
   * when both are in, rejects when there were none.
   */
  lookupEach(
    name: string,
    onAddresses: (addresses: readonly string[], family: AddressFamily) => void,
    options?: LookupOptions,
  ): Promise<void>
  /** The tunnel is up with these addresses, servers and search domains, or (undefined) down: then everything fails with ERR_DOWN. */
  configure(link: LinkInfo | undefined): void
  /** What is in use now, for status. */
  readonly current: { readonly servers: readonly string[]; readonly search: readonly string[] }
  /** Forgets all cached answers. */
  flush(): void
  /** Ends everything under way; afterwards all calls fail with ERR_DOWN. */
  close(): void
  stats(): ResolverStats
}

const TYPE_FAMILY = { A: 4, AAAA: 6 } as const

/** How one call hears of its outputs. */
interface Sink {
  values?(type: LookupType, values: readonly string[]): void
  settled?(error: PvpnError | undefined): void
  reply?(bytes: Bytes): void
}

export function createResolver(options: ResolverOptions): EnvironmentResolver {
  return new ResolverDriver(options)
}

class ResolverDriver implements EnvironmentResolver {
  readonly #options: ResolverOptions
  readonly #machine: ResolverMachine
  readonly #attempts: DnsAttempts
  readonly #sinks = new Map<number, Sink>()
  #config: ResolverConfig | undefined
  #families: readonly AddressFamily[] = [6, 4]
  #closed = false
  #pumping = false
  #timer: { at: number; cancel: () => void } | undefined

  constructor(options: ResolverOptions) {
    this.#options = options
    const machine = new ResolverMachine(options.random)
    this.#machine = machine
    const clock = options.clock
    this.#attempts = new DnsAttempts(options.transport, {
      datagram: (id, from, bytes) =>
        this.#run(() => machine.datagram(id, from, bytes, clock.now())),
      message: (id, bytes) => this.#run(() => machine.message(id, bytes, clock.now())),
      failed: (id, text) => this.#run(() => machine.failed(id, text, clock.now())),
      udpUnsupported: (id) => this.#run(() => machine.udpUnsupported(id, clock.now())),
    })
  }

  get current(): { servers: readonly string[]; search: readonly string[] } {
    const { servers = [], search = [] } = this.#config ?? {}
    const text = servers.map(({ address, port }) =>
      port === DNS_PORT
        ? address
        : address.includes(':')
          ? `[${address}]:${port}`
          : `${address}:${port}`,
    )
    return { servers: text, search }
  }

  configure(link: LinkInfo | undefined): void {
    if (this.#closed) return
    const config = link && effectiveConfig(this.#options.dns, link)
    this.#families = link === undefined ? [6, 4] : familiesOf(link)
    // A tunnel that comes up again with the same servers keeps what is known.
    if (JSON.stringify(config) === JSON.stringify(this.#config)) return
    this.#config = config
    this.#run(() => this.#machine.configure(config))
  }

  flush(): void {
    this.#machine.flush()
  }

  close(): void {
    this.configure(undefined)
    this.#closed = true
  }

  stats(): ResolverStats {
    return this.#machine.stats()
  }

  async lookup(name: string, options: LookupOptions = {}): Promise<readonly string[]> {
    const found: Record<AddressFamily, readonly string[]> = { 4: [], 6: [] }
    const grace = new AbortController()
    const signal = options.signal ? AbortSignal.any([options.signal, grace.signal]) : grace.signal
    let cancelGrace: (() => void) | undefined
    try {
      await this.lookupEach(
        name,
        (addresses, family) => {
          found[family] = addresses
          const { clock } = this.#options
          cancelGrace ??= clock.at(clock.now() + DNS_FAMILY_GRACE, () => grace.abort())
        },
        { ...options, signal },
      )
    } catch (thrown) {
      // The other family took too long: what is there is enough.
      if (options.signal?.aborted || !grace.signal.aborted) throw thrown
    } finally {
      cancelGrace?.()
    }
    return interleave(found[6], found[4])
  }

  async lookupEach(
    name: string,
    onAddresses: (addresses: readonly string[], family: AddressFamily) => void,
    options: LookupOptions = {},
  ): Promise<void> {
    const literal = parseIp(name)
    if (literal !== undefined) {
      const family = literal.length === 4 ? 4 : 6
      if (options.family !== undefined && options.family !== family) {
        throw new PvpnError('ERR_NAME', `${name} is not an IPv${options.family} address`)
      }
      onAddresses([formatIp(literal)], family)
      return
    }
    const families = options.family === undefined ? this.#families : [options.family]
    const types = (['A', 'AAAA'] as const).filter((type) => families.includes(TYPE_FAMILY[type]))
    const { clock } = this.#options
    await this.#call<void>(
      () => this.#machine.lookup(asciiName(name), types, clock.now()),
      options.signal,
      (resolve, reject) => ({
        values: (type, values) => {
          if (type !== 'PTR') onAddresses(values, TYPE_FAMILY[type])
        },
        settled: (error) => (error === undefined ? resolve() : reject(error)),
      }),
    )
  }

  reverse(address: string, options: CallOptions = {}): Promise<readonly string[]> {
    const { clock } = this.#options
    return this.#call<readonly string[]>(
      () => this.#machine.reverse(address, clock.now()),
      options.signal,
      (resolve, reject) => ({
        values: (_type, values) => resolve(values),
        settled: (error) => error && reject(error),
      }),
    )
  }

  /** See the contract. Rejects with ERR_PROTOCOL what must not be answered: a DNS answer, or fewer than 4 bytes. */
  exchange(query: Bytes, transport: 'udp' | 'tcp', options: CallOptions = {}): Promise<Bytes> {
    const { clock } = this.#options
    return this.#call<Bytes>(
      () => this.#machine.exchange(query, transport, clock.now()),
      options.signal,
      (resolve) => ({ reply: resolve }),
    )
  }

  /** One call on the machine and the promise of its outcome. */
  #call<T>(
    start: () => number,
    signal: AbortSignal | undefined,
    sink: (resolve: (value: T) => void, reject: (error: PvpnError) => void) => Sink,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) throw aborted()
      const id = start()
      const onAbort = () => {
        this.#sinks.delete(id)
        this.#run(() => this.#machine.cancel(id))
        reject(aborted())
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      const done = () => signal?.removeEventListener('abort', onAbort)
      const made = sink(
        (value) => {
          done()
          resolve(value)
        },
        (error) => {
          done()
          reject(error)
        },
      )
      this.#sinks.set(id, made)
      this.#run(() => {})
    })
  }

  /** Changes the machine, then does what it wants done. */
  #run(change: () => void): void {
    change()
    if (this.#pumping) return
    this.#pumping = true
    try {
      for (let out = this.#machine.poll(); out !== undefined; out = this.#machine.poll()) {
        this.#handle(out)
      }
    } finally {
      this.#pumping = false
    }
    this.#schedule()
  }

  #handle(out: ResolverOutput): void {
    switch (out.kind) {
      case 'udp':
        this.#attempts.udp(out.attempt, out.server, out.bytes)
        return
      case 'tcp':
        this.#attempts.tcp(out.attempt, out.server, out.bytes)
        return
      case 'close':
        this.#attempts.close(out.attempt)
        return
      case 'values':
        this.#sinks.get(out.lookup)?.values?.(out.type, out.values)
        return
      case 'settled':
        if (out.error !== undefined) {
          this.#options.logger.debug({ code: out.error.code }, out.error.message)
        }
        this.#sinks.get(out.lookup)?.settled?.(out.error)
        this.#sinks.delete(out.lookup)
        return
      case 'reply':
        this.#sinks.get(out.exchange)?.reply?.(out.bytes)
        this.#sinks.delete(out.exchange)
    }
  }

  #schedule(): void {
    const at = this.#machine.deadline()
    if (this.#timer?.at === at) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (at === Number.POSITIVE_INFINITY) return
    const { clock } = this.#options
    const cancel = clock.at(at, () => {
      this.#timer = undefined
      this.#run(() => this.#machine.tick(clock.now()))
    })
    this.#timer = { at, cancel }
  }
}

/** One of each in turn (RFC 8305 section 4), beginning with the first list. */
function interleave(first: readonly string[], second: readonly string[]): string[] {
  const out: string[] = []
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    out.push(...first.slice(i, i + 1), ...second.slice(i, i + 1))
  }
  return out
}

function aborted(): PvpnError {
  return new PvpnError('ERR_ABORTED', 'the look-up was given up')
}
