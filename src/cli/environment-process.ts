/** The process of one environment: what `pvpn up` forks. It talks to the gateway by core/ipc.ts. */
import type { Socket } from 'node:net'
import { errorReport, PvpnError, toPvpnError } from '../core/errors.js'
import type { FromEnvironment, ToEnvironment } from '../core/ipc.js'
import type { Logger } from '../core/log.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import { CarryPort } from '../environment/carry-port.js'
import { systemClock } from '../io/clock.js'
import { IdleMemory, keepFreedMemory } from '../io/idle-memory.js'
import { createLogger } from '../io/logger.js'
import { processFigures } from '../io/process-figures.js'
import { systemRandom } from '../io/random.js'
import { runtimeFolder } from '../io/runtime-folder.js'
import { WrapPort } from '../wrap/wrap-port.js'
import { ActivityReader } from './activity-reader.js'
import { composeEnvironment } from './compose-environment.js'
import { Entrances } from './entrances.js'
import { environmentStatus } from './environment-status.js'

/** Milliseconds between the request to stop and the end of the process at the latest. */
const STOP_LIMIT = 3000

class EnvironmentProcess {
  #environment: ManagedEnvironment | undefined
  #entrances: Entrances | undefined
  #wrap: WrapPort | undefined
  #carry: CarryPort | undefined
  #activity: ActivityReader | undefined
  #logger: Logger | undefined
  #stopping = false
  readonly #memory = new IdleMemory()

  listen(): void {
    keepFreedMemory()
    process.on('message', (message, socket) => this.#receive(message as ToEnvironment, socket))
    process.once('disconnect', () => process.exit(0))
    // These reach the whole process group of a terminal; the gateway says what is to be done.
    process.on('SIGINT', () => undefined)
    process.on('SIGHUP', () => undefined)
    process.on('SIGTERM', () => this.#stop())
    send({ kind: 'ready' })
  }

  #receive(message: ToEnvironment, socket: unknown): void {
    switch (message?.kind) {
      case 'start':
        this.#start(message).catch((thrown: unknown) => {
          const { code, message: words } = toPvpnError(thrown)
          send({ kind: 'listening', error: { code, message: words } })
          this.#stop()
        })
        break
      case 'stop':
        this.#stop()
        break
      case 'status':
        this.#status(message.id)
        break
      case 'connection':
        if (socket !== undefined) this.#connection(message, socket as Socket)
        break
      case 'resolve':
        void this.#resolve(message.id, message.host)
        break
      case 'answer':
        this.#environment?.answer?.(message.answers)
        break
      case 'figures':
        this.#figures(message.id)
        break
      case 'activity':
        if (this.#activity === undefined) break
        send({ kind: 'activity', id: message.id, activity: this.#activity.read() })
        break
      default:
        message satisfies never
    }
  }

  async #start({ options, logLevel }: ToEnvironment & { kind: 'start' }): Promise<void> {
    process.title = `pvpn: ${options.name}`
    const logger = createLogger({ level: logLevel }).child({ environment: options.name })
    const environment = await composeEnvironment({
      options,
      logger,
      onState: () => this.#state(),
    })
    const entrances = new Entrances(options, environment, logger)
    this.#activity = new ActivityReader(entrances)
    this.#logger = logger
    this.#environment = environment
    this.#entrances = entrances
    await entrances.start()
    this.#wrap = new WrapPort({
      environment,
      hosts: options.dns.hosts,
      folder: runtimeFolder().path,
      clock: systemClock,
      random: systemRandom,
      logger,
      onOutcome: entrances.outcomes.add,
    })
    await this.#wrap.start()
    this.#carry = new CarryPort({ environment, runtimeFolder: runtimeFolder().path, logger })
    await this.#carry.start()
    send({ kind: 'listening' })
    await environment.start()
  }

  #connection(message: ToEnvironment & { kind: 'connection' }, socket: Socket): void {
    if (this.#entrances === undefined || this.#stopping) socket.destroy()
    else this.#entrances.accept(socket, message)
  }

  #state(): void {
    const environment = this.#environment
    if (environment === undefined || this.#stopping) return
    const { state, error } = environment
    if (state === 'up') void this.#entrances?.environmentUp()
    this.#wrap?.changed()
    send({
      kind: 'state',
      state,
      error: error === undefined ? null : errorReport(error),
      ...(error === undefined || error.asks.length === 0 ? {} : { asks: error.asks }),
    })
  }

  #status(id: number): void {
    const [environment, entrances] = [this.#environment, this.#entrances]
    if (environment === undefined || entrances === undefined) return
    const status = environmentStatus(
      environment,
      {
        proxy: entrances.proxyAddresses,
        dns: entrances.dnsAddresses,
        connections: entrances.connections,
        ...entrances.traffic,
      },
      systemClock,
    )
    send({ kind: 'status', id, status })
    // The gateway's heartbeat is the only thing that comes regularly.
    this.#memory.look()
  }

  #figures(id: number): void {
    const [environment, entrances] = [this.#environment, this.#entrances]
    if (environment === undefined || entrances === undefined) return
    const figures = {
      process: processFigures(),
      connections: entrances.outcomes.counts,
      ...entrances.traffic,
      ...environment.figures,
    }
    send({ kind: 'figures', id, figures })
  }

  async #resolve(id: number, host: string): Promise<void> {
    try {
      if (this.#environment === undefined) throw new PvpnError('ERR_DOWN', 'is starting')
      const addresses = await this.#environment.lookup(host)
      send({ kind: 'addresses', id, addresses })
    } catch (thrown) {
      const { code, message } = toPvpnError(thrown)
      // No such name is an answer: the name belongs elsewhere, or nowhere.
      const error = code === 'ERR_NAME' ? {} : { error: { code, message } }
      send({ kind: 'addresses', id, addresses: [], ...error })
    }
  }

  #stop(): void {
    if (this.#stopping) return
    this.#stopping = true
    setTimeout(() => process.exit(1), STOP_LIMIT).unref()
    this.#close().then(
      () => process.exit(0),
      (thrown: unknown) => {
        this.#logger?.error({ err: thrown }, 'the environment did not stop in order')
        process.exit(1)
      },
    )
  }

  async #close(): Promise<void> {
    this.#carry?.stop()
    await this.#wrap?.stop()
    await this.#entrances?.stop()
    await this.#environment?.stop()
  }
}

function send(message: FromEnvironment): void {
  if (process.connected) process.send?.(message)
}

new EnvironmentProcess().listen()
