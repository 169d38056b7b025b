/** Everything that leads into one environment: proxy ports, DNS ports, forwards and published services. */
import type { Socket } from 'node:net'
import { FailureRing, type RecentFailure } from '../core/activity.js'
import type { HandedConnection } from '../core/admission.js'
import type { Environment } from '../core/environment.js'
import { toPvpnError } from '../core/errors.js'
import { OutcomeCounts } from '../core/figures.js'
import type { Logger } from '../core/log.js'
import type { EnvironmentOptions } from '../core/options.js'
import type { ConnectionInfo } from '../listener/connection.js'
import { refusalOf } from '../listener/http-error.js'
import { targetText } from '../listener/listener-context.js'
import { createMixedListener, type MixedListener } from '../listener/mixed-listener.js'

/** Milliseconds that open connections get when the environment stops. */
const STOP_GRACE = 0
/** Failed connections that are remembered for a person who looks; then the oldest is forgotten. */
const FAILURES_KEPT = 16

interface Entrance {
  start(): Promise<void>
  stop(): Promise<void>
}

export class Entrances {
  readonly #options: EnvironmentOptions
  readonly #environment: Environment
  readonly #logger: Logger
  readonly #proxies: MixedListener[] = []
  /** Serves what the gateway has accepted and hands over. */
  readonly #handed: MixedListener
  readonly #dns: { readonly addresses: readonly string[] }[] = []
  readonly #others: Entrance[] = []
  /** Ports inside: they can be had only when the environment is up, and stay from then on. */
  readonly #published: Entrance[] = []
  #publishing = false
  readonly #failures = new FailureRing(FAILURES_KEPT)
  readonly outcomes = new OutcomeCounts()

  constructor(options: EnvironmentOptions, environment: Environment, logger: Logger) {
    this.#options = options
    this.#environment = environment
    this.#logger = logger
    this.#handed = this.#mixed(undefined)
  }

  /** Binds all of them; rejects with ERR_CONFIG at the first that can't be had, with none left open. */
  async start(): Promise<void> {
    for (const listen of this.#options.listen) this.#proxies.push(this.#mixed(listen))
    await this.#addOthers()
    try {
      for (const entrance of [...this.#proxies, ...this.#others]) await entrance.start()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** To be called when the environment comes up: opens the published ports, the first time. */
  async environmentUp(): Promise<void> {
    if (this.#publishing) return
    this.#publishing = true
    for (const port of this.#published) {
      try {
        await port.start()
      } catch (thrown) {
        this.#logger.error(
          {},
          `a published port could not be opened: ${toPvpnError(thrown).message}`,
        )
      }
    }
  }

  async stop(): Promise<void> {
    const proxies = [...this.#proxies, this.#handed].map((p) => p.stop(STOP_GRACE))
    await Promise.all([
      ...proxies,
      ...this.#others.map((e) => e.stop()),
      ...this.#published.map((e) => e.stop()),
    ])
  }

  /** A connection that the gateway has accepted. */
  accept(socket: Socket, handed: HandedConnection): void {
    this.#handed.accept(socket, handed)
  }

  get proxyAddresses(): readonly string[] {
    return this.#proxies.flatMap((p) => p.addresses)
  }

  get dnsAddresses(): readonly string[] {
    return this.#dns.flatMap((d) => d.addresses)
  }

  /** What could not be reached last, the newest first. */
  get failures(): readonly RecentFailure[] {
    return this.#failures.list
  }

  /** The programs' open connections, with the listener's number: ids are its own. */
  *open(): Generator<{ readonly listener: number; readonly connection: ConnectionInfo }> {
    let listener = 0
    for (const proxy of [this.#handed, ...this.#proxies]) {
      for (const connection of proxy.connections()) yield { listener, connection }
      listener++
    }
  }

  get connections(): number {
    return [...this.#proxies, this.#handed].reduce((sum, p) => sum + p.openConnections, 0)
  }

  /** Bytes from and to programs at the proxy ports. */
  get traffic(): { readonly fromPrograms: number; readonly toPrograms: number } {
    let [fromPrograms, toPrograms] = [0, 0]
    for (const { counters } of [...this.#proxies, this.#handed]) {
      fromPrograms += counters.bytesFromClients
      toPrograms += counters.bytesToClients
    }
    return { fromPrograms, toPrograms }
  }

  #mixed(listen: EnvironmentOptions['listen'][number] | undefined): MixedListener {
    const { users, allowUnauthenticated, connectTimeout, name } = this.#options
    return createMixedListener({
      ...(listen === undefined ? {} : { listen }),
      users,
      allowUnauthenticated,
      connectTimeout,
      place: `environment ${name}`,
      route: () => this.#environment,
      logger: this.#logger,
      onOutcome: this.outcomes.add,
      onFailure: (target, error) => {
        const { message, hint } = refusalOf(error)
        const at = new Date().toISOString()
        this.#failures.add({ at, code: error.code, message, target: targetText(target), hint })
      },
    })
  }

  /** Most environments have none of these: their modules are loaded only where they are used. */
  async #addOthers(): Promise<void> {
    const { dns, forwards, publish, allowUnauthenticated } = this.#options
    const common = { environment: this.#environment, logger: this.#logger }
    if (dns.listen.length > 0) {
      const { createDnsListener } = await import('../listener/dns-listener.js')
      for (const listen of dns.listen) {
        const listener = createDnsListener({ ...common, listen, allowUnauthenticated })
        this.#dns.push(listener)
        this.#others.push(listener)
      }
    }
    if (forwards.length > 0) {
      const { createForward } = await import('../listener/forward.js')
      for (const forward of forwards) {
        const onOutcome = this.outcomes.add
        this.#others.push(createForward({ ...common, forward, allowUnauthenticated, onOutcome }))
      }
    }
    if (publish.length > 0) {
      const { createPublishedPort } = await import('../listener/publish.js')
      for (const port of publish) {
        this.#published.push(createPublishedPort({ ...common, publish: port }))
      }
    }
  }
}
