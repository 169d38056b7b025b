/** All environments of one gateway: starting, watching, reloading and stopping their processes. */
import type { Socket } from 'node:net'
import { type EnvironmentActivity, FailureRing } from '../core/activity.js'
import type { HandedConnection } from '../core/admission.js'
import type { EnvironmentStatus } from '../core/environment.js'
import { PvpnError } from '../core/errors.js'
import { formatListenAddress } from '../core/listen-address.js'
import type { GatewayOptions } from '../core/options.js'
import { remedy } from '../core/remedy.js'
import { IdleMemory } from '../io/idle-memory.js'
import { processFigures } from '../io/process-figures.js'
import type {
  Action,
  EnvironmentReading,
  Gateway,
  GatewayEvent,
  GatewayFigures,
  GatewayStatus,
  LoadedConfiguration,
  ReloadReport,
  Said,
  StatusError,
} from './contract.js'
import { EVENT_LISTENERS, FAILURES_KEPT, SETTLE_MOST } from './limits.js'
import type { PolicyEnvironments } from './policy-port.js'
import { reloadPlan } from './reload-plan.js'
import { SupervisedEnvironment, type SupervisionOptions } from './supervised-environment.js'
import { DEFAULT_TIMINGS } from './timings.js'

export interface SupervisorOptions extends SupervisionOptions {
  readonly configuration: GatewayOptions
  /** Reads the configuration anew, for `reload`. */
  readonly load: () => Promise<LoadedConfiguration>
  readonly version: string
  /** Where control and policy listen now, as text. */
  readonly listening: () => { readonly control: string | null; readonly policy: string | null }
  /** A reload is about to be reported: whatever else hangs on the configuration follows. Returns problems in words. */
  readonly onReload?: (configuration: GatewayOptions) => Promise<readonly string[]>
}

export class Supervisor implements Gateway, PolicyEnvironments {
  readonly #options: SupervisorOptions
  readonly #environments = new Map<string, SupervisedEnvironment>()
  readonly #listeners = new Set<(event: GatewayEvent) => void>()
  readonly #failures = new Map<string, FailureRing>()
  #configuration: GatewayOptions
  #heartbeat: NodeJS.Timeout | undefined
  readonly #memory = new IdleMemory()
  /** Actions and reloads run one after the other. */
  #queue: Promise<unknown> = Promise.resolve()
  #stopping = false
  readonly #figures = {
    reloads: { succeeded: 0, failed: 0 },
    configuredAt: Date.now() / 1000,
    configurationGood: true,
  }

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#configuration = options.configuration
    for (const environment of options.configuration.environments) this.#add(environment)
  }

  get names(): readonly string[] {
    return [...this.#environments.keys()]
  }

  get ready(): boolean {
    return [...this.#environments.values()].every((e) => !e.wanted || e.state === 'up')
  }

  /** Starts every environment that is to run, and takes the ports of the others. Returns at once. */
  start(): void {
    for (const environment of this.#environments.values()) begin(environment)
    const interval = this.#options.timings?.heartbeatInterval ?? DEFAULT_TIMINGS.heartbeatInterval
    this.#heartbeat = setInterval(() => {
      for (const environment of this.#environments.values()) environment.heartbeat()
      this.#memory.look()
    }, interval)
  }

  /** Ends everything; resolves when no process is left. Running actions don't delay it. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearInterval(this.#heartbeat)
    await Promise.all([...this.#environments.values()].map((environment) => environment.stop()))
    for (const environment of this.#environments.values()) environment.close()
    this.#listeners.clear()
  }

  async status(): Promise<GatewayStatus> {
    const environments = await Promise.all(
      [...this.#environments.values()].map((environment) => environment.status()),
    )
    return {
      version: this.#options.version,
      pid: process.pid,
      ...this.#options.listening(),
      environments,
    }
  }

  readings(): Promise<readonly EnvironmentReading[]> {
    return Promise.all(
      [...this.#environments.values()].map(async (environment) => {
        const [status, figures] = await Promise.all([environment.status(), environment.figures()])
        const { restarts, standbyAnswers } = environment
        return { status, figures, restarts, standbyAnswers }
      }),
    )
  }

  get figures(): GatewayFigures {
    const { reloads, ...rest } = this.#figures
    return { ...rest, reloads: { ...reloads }, process: processFigures() }
  }

  async environment(name: string): Promise<EnvironmentStatus | undefined> {
    return this.#environments.get(name)?.status()
  }

  async activity(name: string): Promise<EnvironmentActivity | undefined> {
    const environment = this.#environments.get(name)
    if (environment === undefined) return undefined
    const seen = await environment.activity()
    const own = this.#failures.get(name)?.list ?? []
    const failures = [...own, ...(seen?.failures ?? [])].sort((a, b) => (a.at < b.at ? 1 : -1))
    return { connections: seen?.connections ?? [], total: seen?.total ?? 0, failures }
  }

  async act(name: string, action: Action, wait: number): Promise<EnvironmentStatus | undefined> {
    if (!this.#environments.has(name)) return undefined
    const environment = await this.#serially(async () => {
      // A reload that was ahead in the queue may have removed it.
      const found = this.#environments.get(name)
      if (found === undefined) return undefined
      if (action === 'stop') found.forgetAnswers()
      // What needs a person does not try again by itself: the person says start, and means a new try,
      // or will answer what it asks (another try would ask anew, and send a second code).
      const again = found.state === 'failed' && found.asks.length === 0
      if (action !== 'start' || again) await found.stop()
      if (action !== 'stop' && !this.#stopping) found.start()
      return found
    })
    if (environment === undefined) return undefined
    if (action !== 'stop' && wait > 0) await this.#settled(environment, wait)
    return environment.status()
  }

  async answer(
    name: string,
    { asksId, answers }: Said,
    wait: number,
  ): Promise<EnvironmentStatus | 'stale' | undefined> {
    const environment = this.#environments.get(name)
    if (environment === undefined) return undefined
    if (!environment.answer(asksId, answers)) return 'stale'
    await this.#settled(environment, wait)
    return environment.status()
  }

  reload(): Promise<ReloadReport> {
    return this.#serially(() => this.#reload())
  }

  /** The socket is taken; false: there is no such environment (any more), and it is not. */
  client(name: string, handed: HandedConnection, socket: Socket): boolean {
    const environment = this.#environments.get(name)
    environment?.client(handed, socket)
    return environment !== undefined
  }

  /** The host's addresses inside; none: no such name. Rejects with a PvpnError. */
  async resolve(name: string, host: string): Promise<readonly string[]> {
    const environment = this.#environments.get(name)
    if (environment === undefined) throw new PvpnError('ERR_DOWN', `environment ${name} is gone`)
    return environment.resolve(host)
  }

  search(name: string): readonly string[] {
    return this.#environments.get(name)?.search ?? []
  }

  listen(listener: (event: GatewayEvent) => void): (() => void) | undefined {
    if (this.#listeners.size >= EVENT_LISTENERS) return undefined
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #reload(): Promise<ReloadReport> {
    const loaded = await this.#options.load()
    const nothing = { started: [], restarted: [], changed: [], stopped: [] }
    if (loaded.options === undefined || this.#stopping) {
      const report = { ok: false, ...loaded, ...nothing, unchanged: this.names }
      return this.#reported(report)
    }
    const plan = reloadPlan(this.#configuration.environments, loaded.options.environments)
    this.#configuration = loaded.options
    // Whoever gives up a port does so before anybody takes one.
    const changed = plan.changed.map((options) => {
      const environment = this.#environments.get(options.name) as SupervisedEnvironment
      return { environment, options, wanted: environment.wanted }
    })
    const removed = plan.removed.map((name) => this.#environments.get(name))
    await Promise.all([
      ...removed.map(async (environment) => {
        await environment?.stop()
        environment?.close()
      }),
      ...changed.map(({ environment }) => environment.stop()),
    ])
    for (const name of plan.removed) {
      this.#environments.delete(name)
      this.#failures.delete(name)
    }
    for (const { environment, options, wanted } of changed) {
      void environment.reconfigure(options)
      if (wanted && !this.#stopping) environment.start()
    }
    for (const options of plan.started) {
      const environment = this.#add(options)
      if (!this.#stopping) begin(environment)
    }
    this.#order(loaded.options)
    const more = (await this.#options.onReload?.(loaded.options)) ?? []
    return this.#reported({
      ok: true,
      problems: loaded.problems,
      warnings: [...loaded.warnings, ...more],
      started: plan.started.map((options) => options.name),
      restarted: changed.filter(({ wanted }) => wanted).map(({ options }) => options.name),
      changed: changed.filter(({ wanted }) => !wanted).map(({ options }) => options.name),
      stopped: plan.removed,
      unchanged: plan.unchanged,
    })
  }

  #reported(report: ReloadReport & { options?: GatewayOptions }): ReloadReport {
    const { options: _, ...shown } = report
    this.#figures.configurationGood = report.ok
    this.#figures.reloads[report.ok ? 'succeeded' : 'failed']++
    if (report.ok) this.#figures.configuredAt = Date.now() / 1000
    this.#emit({ kind: 'reload', report: shown })
    return shown
  }

  #add(options: GatewayOptions['environments'][number]): SupervisedEnvironment {
    const environment = new SupervisedEnvironment(options, this.#options)
    environment.onChange = () => {
      const { name, state, error } = environment
      const { through } = environment.options
      if (state === 'starting' && through !== undefined) this.#environments.get(through)?.wake()
      const asks = environment.asks.length > 0 ? { asks: true as const } : {}
      if (error !== null) this.#remember(name, error, asks.asks)
      const listen = environment.options.listen.map(formatListenAddress)
      this.#emit({ kind: 'state', environment: name, state, error, listen, ...asks })
    }
    this.#environments.set(options.name, environment)
    return environment
  }

  #remember(name: string, error: StatusError, asks?: boolean): void {
    const { code, message } = error
    const ring = this.#failures.get(name) ?? new FailureRing(FAILURES_KEPT)
    this.#failures.set(name, ring)
    const at = new Date().toISOString()
    ring.add({ at, code, message, target: null, hint: remedy(error, name, asks) })
  }

  /** The order of the file is the order of every list. */
  #order(configuration: GatewayOptions): void {
    for (const { name } of configuration.environments) {
      const environment = this.#environments.get(name)
      if (environment === undefined) continue
      this.#environments.delete(name)
      this.#environments.set(name, environment)
    }
  }

  #settled(environment: SupervisedEnvironment, wait: number): Promise<void> {
    if (environment.settled) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        unlisten?.()
        resolve()
      }
      const timer = setTimeout(done, Math.min(wait, SETTLE_MOST))
      const unlisten = this.listen(() => {
        if (environment.settled) done()
      })
    })
  }

  #serially<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(run)
    this.#queue = result.catch(() => {})
    return result
  }

  #emit(event: GatewayEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}

function begin(environment: SupervisedEnvironment): void {
  if (environment.options.start === 'on-demand') void environment.open()
  else environment.start()
}
