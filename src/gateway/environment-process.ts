/** One environment's process: messages over its IPC channel, status queries, heartbeat, end. */
import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import type { EnvironmentActivity } from '../core/activity.js'
import type { HandedConnection } from '../core/admission.js'
import type { EnvironmentState, EnvironmentStatus } from '../core/environment.js'
import { type ErrorCode, PvpnError } from '../core/errors.js'
import type { EnvironmentFigures } from '../core/figures.js'
import type { FromEnvironment, ToEnvironment } from '../core/ipc.js'
import type { LogLevel } from '../core/log.js'
import type { EnvironmentOptions } from '../core/options.js'
import type { Answers, Question } from '../core/question.js'
import type { StatusError } from './contract.js'
import {
  ENVIRONMENT_HEAP_MIB,
  ENVIRONMENT_YOUNG_MIB,
  HANDOVER_PENDING,
  RESOLVING_MOST,
  STATUS_TIMEOUT,
} from './limits.js'

export interface ProcessEvents {
  onReady(): void
  onListening(error: StatusError | undefined): void
  onState(state: EnvironmentState, error: StatusError | null, asks: readonly Question[]): void
  /** Last event, once. `how` in words: `exit code 1`, `signal SIGKILL`. */
  onEnd(how: string): void
}

interface Query {
  readonly id: number
  readonly timer: NodeJS.Timeout
  readonly resolve: (answer: EnvironmentStatus | undefined) => void
}

/** A question that travels: askers meanwhile share its answer. */
class Asked<T> {
  #pending: { timer: NodeJS.Timeout; promise: Promise<T | undefined> } | undefined
  #resolve: (answer: T | undefined) => void = () => {}

  /** The answer, or undefined when there is none within STATUS_TIMEOUT. */
  ask(send: () => void): Promise<T | undefined> {
    if (this.#pending === undefined) {
      const promise = new Promise<T | undefined>((resolve) => {
        this.#resolve = resolve
      })
      const timer = setTimeout(() => this.answer(undefined), STATUS_TIMEOUT)
      this.#pending = { timer, promise }
      send()
    }
    return this.#pending.promise
  }

  answer(answer: T | undefined): void {
    clearTimeout(this.#pending?.timer)
    this.#pending = undefined
    this.#resolve(answer)
  }
}

interface Resolving {
  readonly timer: NodeJS.Timeout
  readonly resolve: (addresses: readonly string[]) => void
  readonly reject: (error: PvpnError) => void
}

export class EnvironmentProcess {
  readonly #child: ChildProcess
  readonly #events: ProcessEvents
  #ended = false
  #queryId = 0
  #queries: Query[] = []
  /** Names asked for, by the question's id. */
  readonly #resolving = new Map<number, Resolving>()
  /** Sockets on their way. */
  readonly #handovers = new Set<Socket>()
  #missed = 0
  readonly #look = new Asked<EnvironmentActivity>()
  readonly #counting = new Asked<EnvironmentFigures>()
  /** The latest answers, however old. */
  last: EnvironmentStatus | undefined
  lastFigures: EnvironmentFigures | undefined

  constructor(
    { module, heapMib = ENVIRONMENT_HEAP_MIB }: { module: string; heapMib?: number },
    name: string,
    events: ProcessEvents,
  ) {
    this.#events = events
    this.#child = fork(module, [name], {
      serialization: 'advanced',
      // stdout belongs to the gateway's own lines: what a process prints by accident goes to stderr.
      stdio: ['ignore', 2, 2, 'ipc'],
      execArgv: [
        `--max-old-space-size=${heapMib}`,
        `--max-semi-space-size=${ENVIRONMENT_YOUNG_MIB}`,
      ],
    })
    this.#child.on('message', (message: FromEnvironment) => this.#receive(message))
    this.#child.on('exit', (code, signal) =>
      this.#end(signal === null ? `exit code ${code}` : `signal ${signal}`),
    )
    // Without a process (fork failed: no memory, no descriptors) there is no 'exit'.
    this.#child.on('error', (error) => {
      if (this.#child.pid === undefined) this.#end(error.message)
    })
  }

  get pid(): number | undefined {
    return this.#ended ? undefined : this.#child.pid
  }

  start(options: EnvironmentOptions, logLevel: LogLevel): void {
    this.#send({ kind: 'start', options, logLevel })
  }

  answer(answers: Answers): void {
    this.#send({ kind: 'answer', answers })
  }

  stop(): void {
    this.#send({ kind: 'stop' })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /**
   * Hands an open socket over; it is no longer ours when this returns true. False: the process can't
   * take it now (ended, or HANDOVER_PENDING are on their way), the caller keeps it.
   */
  connection(handed: HandedConnection, socket: Socket): boolean {
    if (this.#ended || !this.#child.connected || this.#handovers.size >= HANDOVER_PENDING)
      return false
    this.#handovers.add(socket)
    const message: ToEnvironment = { kind: 'connection', ...handed }
    // Node would keep our copy until the process confirms, and for ever when it dies before. Once it
    // is sent the kernel has a copy for the process, and ours can go: that ends nothing.
    this.#child.send(message, socket, { keepOpen: true }, () => {
      this.#handovers.delete(socket)
      socket.destroy()
    })
    return true
  }

  /**
   * The name's addresses inside; none: no such name. Rejects with what the process says, ERR_LIMIT,
   * ERR_TIMEOUT after `timeout` milliseconds, or ERR_DOWN when it ends.
   */
  resolve(host: string, timeout: number): Promise<readonly string[]> {
    if (this.#ended || !this.#child.connected) {
      return Promise.reject(new PvpnError('ERR_DOWN', 'its process has ended'))
    }
    if (this.#resolving.size >= RESOLVING_MOST) {
      return Promise.reject(new PvpnError('ERR_LIMIT', 'too many names are being resolved'))
    }
    return new Promise((resolve, reject) => {
      const id = ++this.#queryId
      const timer = setTimeout(() => {
        this.#resolving.delete(id)
        reject(new PvpnError('ERR_TIMEOUT', `no answer about ${host}`))
      }, timeout)
      this.#resolving.set(id, { timer, resolve, reject })
      this.#send({ kind: 'resolve', id, host })
    })
  }

  /** The process's own status, or undefined when it does not answer within STATUS_TIMEOUT. */
  status(): Promise<EnvironmentStatus | undefined> {
    if (this.#ended || !this.#child.connected) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      // One query travels at a time: askers meanwhile share its answer.
      const travelling = this.#queries[0]
      const id = travelling?.id ?? ++this.#queryId
      const timer = setTimeout(() => {
        this.#queries = this.#queries.filter((other) => other !== query)
        resolve(undefined)
      }, STATUS_TIMEOUT)
      const query = { id, timer, resolve }
      this.#queries.push(query)
      if (travelling === undefined) this.#send({ kind: 'status', id })
    })
  }

  /** What goes on, or undefined when it does not answer within STATUS_TIMEOUT. */
  activity(): Promise<EnvironmentActivity | undefined> {
    if (this.#ended || !this.#child.connected) return Promise.resolve(undefined)
    return this.#look.ask(() => this.#send({ kind: 'activity', id: ++this.#queryId }))
  }

  /** Its counters, or undefined when it does not answer within STATUS_TIMEOUT. */
  figures(): Promise<EnvironmentFigures | undefined> {
    if (this.#ended || !this.#child.connected) return Promise.resolve(undefined)
    return this.#counting.ask(() => this.#send({ kind: 'figures', id: ++this.#queryId }))
  }

  /** Asks for a sign of life. The result is how many times in a row, before this one, there was none. */
  heartbeat(): number {
    const missed = this.#missed++
    this.#send({ kind: 'status', id: ++this.#queryId })
    return missed
  }

  #send(message: ToEnvironment): void {
    if (this.#ended || !this.#child.connected) return
    // A broken channel shows as the end of the process; the failed write itself needs no answer.
    this.#child.send(message, () => {})
  }

  #receive(message: FromEnvironment): void {
    if (this.#ended || typeof message !== 'object' || message === null) return
    switch (message.kind) {
      case 'ready':
        this.#events.onReady()
        break
      case 'listening':
        this.#events.onListening(message.error)
        break
      case 'state':
        this.#events.onState(message.state, message.error, message.asks ?? [])
        break
      case 'status':
        this.#answer(message)
        break
      case 'addresses':
        this.#resolved(message)
        break
      case 'activity':
        this.#look.answer(message.activity)
        break
      case 'figures':
        this.lastFigures = message.figures
        this.#counting.answer(message.figures)
        break
      default:
        message satisfies never
    }
  }

  #resolved({ id, addresses, error }: FromEnvironment & { kind: 'addresses' }): void {
    const question = this.#resolving.get(id)
    if (question === undefined) return
    this.#resolving.delete(id)
    clearTimeout(question.timer)
    if (error === undefined) question.resolve(addresses)
    else question.reject(new PvpnError(error.code as ErrorCode, error.message))
  }

  #answer(message: FromEnvironment & { kind: 'status' }): void {
    this.#missed = 0
    this.last = message.status
    const answered = this.#queries.filter((query) => query.id <= message.id)
    this.#queries = this.#queries.filter((query) => query.id > message.id)
    for (const query of answered) settle(query, this.last)
  }

  #end(how: string): void {
    if (this.#ended) return
    this.#ended = true
    for (const query of this.#queries) settle(query, undefined)
    this.#queries = []
    this.#look.answer(undefined)
    this.#counting.answer(undefined)
    for (const { timer, reject } of this.#resolving.values()) {
      clearTimeout(timer)
      reject(new PvpnError('ERR_DOWN', `its process ended (${how})`))
    }
    this.#resolving.clear()
    // What still waited for its turn would stay open without anybody to serve it.
    for (const socket of this.#handovers) socket.destroy()
    this.#events.onEnd(how)
  }
}

function settle(query: Query, answer: EnvironmentStatus | undefined): void {
  clearTimeout(query.timer)
  query.resolve(answer)
}
