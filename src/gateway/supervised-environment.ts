/**
 * One environment under supervision: its process's life, what is shown of it, and who holds its ports.
 *
 *            start                ready, listening
 *   idle ───────────► booting ───────────────────────► running
 *    ▲ ▲                 │ ended, too slow, no port        │ ended, hung
 *    │ │ stop            ▼                                 │
 *    │ └───────────── waiting ◄───────────────────────────┘
 *    │      ended        │ back-off over: booting
 *    └── stopping ◄──────┴── stop (booting, running)
 *
 * In every phase but `running` the gateway holds the proxy ports (with `on-demand`: always).
 */
import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { EnvironmentActivity } from '../core/activity.js'
import type { HandedConnection } from '../core/admission.js'
import type { EnvironmentState, EnvironmentStatus } from '../core/environment.js'
import { type ErrorCode, PvpnError } from '../core/errors.js'
import type { EnvironmentFigures } from '../core/figures.js'
import type { Logger, LogLevel } from '../core/log.js'
import type { EnvironmentOptions } from '../core/options.js'
import type { Answers, Question } from '../core/question.js'
import { processRow } from '../policy/processes.js'
import { Asking } from './asking.js'
import type { StandbyAnswer, StatusError } from './contract.js'
import { EnvironmentProcess } from './environment-process.js'
import { StandbyClients } from './standby-clients.js'
import { StandbyPorts } from './standby-ports.js'
import { type Shown, statusWithoutProcess, withError } from './status.js'
import { DEFAULT_TIMINGS, type Timings } from './timings.js'
import { Waiters } from './waiters.js'

type Phase = 'idle' | 'booting' | 'running' | 'stopping' | 'waiting'

export interface SupervisionOptions {
  /** The module that `fork` runs; it talks core/ipc.ts. */
  readonly module: string
  readonly logger: Logger
  readonly logLevel: LogLevel
  readonly standbyAnswer: StandbyAnswer
  readonly timings?: Partial<Timings>
  /** Heap of each process, MiB; default ENVIRONMENT_HEAP_MIB. */
  readonly heapMib?: number
}

export class SupervisedEnvironment {
  /** State or error is another one than before. */
  onChange: () => void = () => {}
  #options: EnvironmentOptions
  readonly #context: SupervisionOptions
  readonly #timings: Timings
  readonly #logger: Logger
  readonly #ports = new StandbyPorts()
  readonly #clients: StandbyClients
  readonly #asking = new Asking()
  #phase: Phase = 'idle'
  #state: EnvironmentState = 'stopped'
  #error: StatusError | null = null
  /** May a first connection start it? Not when a person stopped it. */
  #armed: boolean
  #process: EnvironmentProcess | undefined
  #processBegan = 0
  #listenError: StatusError | undefined
  #wasUp = false
  #failures = 0
  #restarts = 0
  /** The one timer of the phase: boot or listen time-out, back-off, stop grace. */
  #timer: NodeJS.Timeout | undefined
  readonly #idle = new Waiters()
  readonly #settling = new Waiters()

  constructor(options: EnvironmentOptions, context: SupervisionOptions) {
    this.#options = options
    this.#context = context
    this.#timings = { ...DEFAULT_TIMINGS, ...context.timings }
    this.#logger = context.logger.child({ environment: options.name })
    this.#armed = options.start === 'on-demand'
    this.#clients = new StandbyClients(context.standbyAnswer, this.#timings.standbyLinger)
    this.#ports.onClient = (socket, listener) => this.client({ listener }, socket)
  }

  get options(): EnvironmentOptions {
    return this.#options
  }

  get name(): string {
    return this.#options.name
  }

  get state(): EnvironmentState {
    return this.#state
  }

  get error(): StatusError | null {
    return this.#error
  }

  /** What its tunnel needs of a person. */
  get asks(): readonly Question[] {
    return this.#asking.open
  }

  /** Of these questions, to be sent back with the answers. */
  get asksId(): string {
    return this.#asking.id
  }

  get restarts(): number {
    return this.#restarts
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Search domains of its resolver, as it said last. */
  get search(): readonly string[] {
    return this.#process?.last?.dns.search ?? []
  }

  get #stopping(): boolean {
    return this.#phase === 'stopping'
  }

  /** Should it run? */
  get wanted(): boolean {
    return this.#phase !== 'idle' && this.#phase !== 'stopping'
  }

  /** Up, or with an answer to why not: nothing more to wait for. */
  get settled(): boolean {
    return this.#state === 'up' || this.#state === 'stopped' || this.#error !== null
  }

  /** Takes the ports without starting: what an environment that is not to run at once begins with. */
  async open(): Promise<void> {
    for (const problem of await this.#ports.hold(this.#options.listen)) {
      this.#logger.warn({}, problem)
      if (this.#phase === 'idle') this.#show('stopped', { code: 'ERR_CONFIG', message: problem })
    }
  }

  /** Starts it now, also out of a back-off. Nothing happens when it runs already. */
  start(): void {
    if (this.#phase === 'waiting') {
      clearTimeout(this.#timer)
      this.#phase = 'idle'
      this.#failures = 0
    }
    if (this.#phase !== 'idle') return
    this.#armed = false
    this.#wasUp = false
    this.#show('starting', null)
    void this.#boot()
  }

  /**
   * What a person said to `asks` when these had the id `asksId`; the tunnel goes on with it. False: it
   * asks something else by now, perhaps for another server, or nothing, and the answers are dropped.
   */
  answer(asksId: string, answers: Answers): boolean {
    const process = this.#phase === 'running' ? this.#process : undefined
    const whole = process && this.#asking.answered(asksId, answers)
    if (whole === undefined) return false
    process?.answer(whole)
    this.#show('starting', null)
    return true
  }

  /** Forgets what a person has said: they mean the end, or the answers were for another server. */
  forgetAnswers(): void {
    this.#asking.forget()
  }

  /** A first connection, or another environment that needs it: starts it when it waits for one. */
  wake(): void {
    if (this.#armed && this.#phase === 'idle') this.start()
  }

  /** Resolves when its process has ended. A later connection does not start it again, `start` does. */
  async stop(): Promise<void> {
    this.#armed = false
    switch (this.#phase) {
      case 'idle':
        break
      case 'waiting':
        clearTimeout(this.#timer)
        this.#toIdle()
        break
      case 'booting':
      case 'running': {
        this.#phase = 'stopping'
        const process = this.#process
        process?.stop()
        this.#after(this.#timings.stopGrace, () => {
          this.#logger.warn({}, 'process does not stop: killed')
          process?.kill()
        })
        // Its listeners close first: the port is answered again while the rest winds up.
        void this.#ports.hold(this.#options.listen)
        await this.#idle.wait()
        break
      }
      case 'stopping':
        await this.#idle.wait()
        break
      default:
        this.#phase satisfies never
    }
    this.#clients.refuseWaiting(this.#options, this.#reason())
  }

  /** Lets go of ports and waiting clients; only when stopped. */
  close(): void {
    this.#ports.release()
    this.#clients.close()
  }

  /** New options; only when stopped. The ports that both have stay held. */
  async reconfigure(options: EnvironmentOptions): Promise<void> {
    if (!isDeepStrictEqual(options.tunnel, this.#options.tunnel)) this.forgetAnswers()
    this.#options = options
    this.#armed = options.start === 'on-demand'
    await this.open()
  }

  /** Clients that the gateway had to tell that the environment is not there. */
  get standbyAnswers(): number {
    return this.#clients.answered
  }

  /** Counters of the process that runs; undefined when there is none, or it has not told them yet. */
  async figures(): Promise<EnvironmentFigures | undefined> {
    const process = this.#phase === 'running' ? this.#process : undefined
    const figures = (await process?.figures()) ?? process?.lastFigures
    return this.#process === process ? figures : undefined
  }

  async status(): Promise<EnvironmentStatus> {
    const process = this.#phase === 'running' ? this.#process : undefined
    const answer = process === undefined ? undefined : ((await process.status()) ?? process.last)
    // What the gateway saw last counts: the answer may be older than a change of state.
    const base =
      answer === undefined || this.#process !== process
        ? statusWithoutProcess(this.#options, this.#process?.pid)
        : answer
    return withError(base, this.#options, {
      state: this.#state,
      error: this.#error,
      asks: this.asks,
      asksId: this.asksId,
    })
  }

  /** Undefined without a process, or when it does not answer. */
  async activity(): Promise<EnvironmentActivity | undefined> {
    return this.#phase === 'running' ? this.#process?.activity() : undefined
  }

  /**
   * One sign of life is asked for; a process that owes too many is killed. One that was stopped can't
   * answer, however long it is waited for: its clients would wait in vain.
   */
  heartbeat(): void {
    const process = this.#process
    if (this.#phase !== 'running' || process === undefined) return
    const missed = process.heartbeat()
    const { pid } = process
    const stopped = missed > 0 && pid !== undefined && processRow(pid)?.stopped === true
    if (missed < this.#timings.heartbeatsMissed && !stopped) return
    this.#logger.error({}, `process ${stopped ? 'was stopped' : 'does not answer'}: killed`)
    process.kill()
  }

  /**
   * A client of its ports, or one that the policy port sends: served by the process, answered in its
   * place, or kept waiting until a first connection has started it. The socket is taken in any case.
   */
  client(handed: HandedConnection, socket: Socket): void {
    this.wake()
    // With `always` a process that runs has the ports itself: nobody need wait, but for one that begins.
    const waits = this.#options.start === 'on-demand' || this.#phase === 'booting'
    if (!waits || this.settled) this.#connection(handed, socket)
    else this.#clients.wait(socket, handed, this.#options, () => this.#reason())
  }

  /** Which addresses has the name inside? None: no such name. Rejects with a PvpnError: not up, resolver failed. */
  async resolve(host: string): Promise<readonly string[]> {
    this.wake()
    const timeout = this.#options.connectTimeout * 1000
    if (this.#options.start === 'on-demand' && !this.settled) await this.#settling.wait(timeout)
    if (this.#phase !== 'running' || this.#process === undefined) {
      const { code, message } = this.#reason()
      throw new PvpnError(code as ErrorCode, `environment ${this.name}: ${message}`)
    }
    return this.#process.resolve(host, timeout)
  }

  #connection(handed: HandedConnection, socket: Socket): void {
    const taken = this.#phase === 'running' && this.#process?.connection(handed, socket)
    if (taken !== true) this.#clients.answer(socket, this.#options, this.#reason(), handed)
  }

  async #boot(): Promise<void> {
    this.#phase = 'booting'
    const problems = await this.#ports.hold(this.#options.listen)
    if (this.#stopping) {
      this.#toIdle()
      return
    }
    if (problems.length > 0) {
      this.#fail('failed', { code: 'ERR_CONFIG', message: problems.join('; ') })
      return
    }
    this.#processBegan = performance.now()
    try {
      const child = this.#fork()
      this.#process = child
      this.#after(this.#timings.bootTimeout, () => this.#giveUp(child, 'does not start'))
    } catch (error) {
      // No more processes or descriptors to be had: that may pass.
      const message = `can't start its process: ${(error as Error).message}`
      this.#fail('failed', { code: 'ERR_LIMIT', message })
    }
  }

  #fork(): EnvironmentProcess {
    const child: EnvironmentProcess = new EnvironmentProcess(this.#context, this.name, {
      onReady: () => this.#ready(child),
      onListening: (error) => this.#listening(child, error),
      onState: (state, error, asks) => this.#report(child, { state, error, asks }),
      onEnd: (how) => this.#ended(child, how),
    })
    return child
  }

  #ready(child: EnvironmentProcess): void {
    if (child !== this.#process || this.#phase !== 'booting') return
    const onDemand = this.#options.start === 'on-demand'
    if (!onDemand) this.#ports.release()
    child.start(onDemand ? { ...this.#options, listen: [] } : this.#options, this.#context.logLevel)
    this.#after(this.#timings.listenTimeout, () => this.#giveUp(child, 'does not open its ports'))
  }

  #listening(child: EnvironmentProcess, error: StatusError | undefined): void {
    if (child !== this.#process || this.#phase !== 'booting') return
    clearTimeout(this.#timer)
    if (error === undefined) {
      this.#phase = 'running'
      this.#clients.retire()
      this.#deliver()
      return
    }
    // Another program has a port, say: without its listeners the process is of no use.
    this.#listenError = error
    child.kill()
  }

  #report(child: EnvironmentProcess, { state, error, asks }: Omit<Shown, 'asksId'>): void {
    if (child !== this.#process || (this.#phase !== 'running' && this.#phase !== 'booting')) return
    if (state === 'stopped') return
    if (state === 'up') {
      this.#wasUp = true
      this.#asking.accepted()
    }
    const known = this.#asking.asked(state === 'failed' ? asks : [])
    if (known === undefined) this.#show(state, error)
    else {
      child.answer(known)
      this.#show('starting', null)
    }
    this.#deliver()
  }

  #giveUp(child: EnvironmentProcess, what: string): void {
    this.#logger.error({}, `process ${what}: killed`)
    child.kill()
  }

  #ended(child: EnvironmentProcess, how: string): void {
    if (child !== this.#process) return
    this.#process = undefined
    this.#asking.silent()
    clearTimeout(this.#timer)
    if (this.#phase === 'stopping') {
      this.#listenError = undefined
      this.#toIdle()
      return
    }
    if (performance.now() - this.#processBegan > this.#timings.stableAfter) this.#failures = 0
    const listenError = this.#listenError
    this.#listenError = undefined
    if (listenError !== undefined) {
      this.#fail('failed', listenError)
      return
    }
    this.#fail(this.#wasUp ? 'down' : 'starting', {
      code: 'ERR_INTERNAL',
      message: `its process ended (${how})`,
    })
  }

  /** The process is gone: hold the ports, start it again after the back-off. */
  #fail(state: EnvironmentState, error: StatusError): void {
    const { backoffFirst, backoffMost } = this.#timings
    const delay = Math.min(backoffFirst * 2 ** Math.min(this.#failures, 20), backoffMost)
    this.#failures++
    this.#phase = 'waiting'
    const message = `${error.message}; next try in ${delay / 1000} s`
    this.#logger.error({}, message)
    void this.#ports.hold(this.#options.listen)
    this.#show(state, { code: error.code, message })
    this.#clients.refuseWaiting(this.#options, this.#reason())
    this.#after(delay, () => {
      this.#restarts++
      void this.#boot()
    })
  }

  #toIdle(): void {
    clearTimeout(this.#timer)
    this.#phase = 'idle'
    this.#failures = 0
    void this.#ports.hold(this.#options.listen)
    this.#show('stopped', null)
    this.#idle.release()
  }

  /** Waiting clients go to the process once it is up or can say why not. */
  #deliver(): void {
    if (this.#phase !== 'running' || !this.settled) return
    for (const { socket, handed } of this.#clients.takeWaiting()) this.#connection(handed, socket)
  }

  #reason(): StatusError {
    if (this.#error !== null) return this.#error
    switch (this.#state) {
      case 'stopped':
        return { code: 'ERR_DOWN', message: `is stopped; start it with: pvpn start ${this.name}` }
      case 'up':
        return { code: 'ERR_LIMIT', message: 'can take no more connections now' }
      default:
        return { code: 'ERR_DOWN', message: `is ${this.#state}` }
    }
  }

  #show(state: EnvironmentState, error: StatusError | null): void {
    const same =
      state === this.#state &&
      error?.code === this.#error?.code &&
      error?.message === this.#error?.message
    this.#state = state
    this.#error = error
    if (this.settled) this.#settling.release()
    if (!same) this.onChange()
  }

  #after(delay: number, run: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(run, delay)
  }
}
