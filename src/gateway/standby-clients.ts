/** Clients that came while an environment has no process: answered with the truth, or waiting for it to come up. */
import type { Socket } from 'node:net'
import type { HandedConnection } from '../core/admission.js'
import type { EnvironmentOptions } from '../core/options.js'
import type { StandbyAnswer, StatusError } from './contract.js'
import { ON_DEMAND_WAITING, STANDBY_CLIENTS, STANDBY_RETIRE } from './limits.js'

interface Waiting {
  readonly socket: Socket
  readonly handed: HandedConnection
  readonly timer: NodeJS.Timeout
}

export class StandbyClients {
  readonly #answer: StandbyAnswer
  readonly #linger: number
  /** Being answered. */
  readonly #answering = new Set<Socket>()
  /** How many were told so far that nobody is there. */
  answered = 0
  #waiting: Waiting[] = []

  constructor(answer: StandbyAnswer, linger: number) {
    this.#answer = answer
    this.#linger = linger
  }

  /** The socket is ours from here on: answered, and gone after the linger at the latest. */
  answer(
    socket: Socket,
    options: EnvironmentOptions,
    reason: StatusError,
    handed?: HandedConnection,
  ): void {
    this.answered++
    if (this.#answering.size >= STANDBY_CLIENTS) {
      socket.destroy()
      return
    }
    this.#answering.add(socket)
    const timer = setTimeout(() => socket.destroy(), this.#linger)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      clearTimeout(timer)
      this.#answering.delete(socket)
    })
    this.#answer(socket, options, reason, handed)
  }

  /** Keeps the socket, of which nothing more is read, until `takeWaiting`, for `connectTimeout` seconds at most; then it is answered. */
  wait(
    socket: Socket,
    handed: HandedConnection,
    options: EnvironmentOptions,
    reason: () => StatusError,
  ): void {
    if (this.#waiting.length >= ON_DEMAND_WAITING) {
      this.answer(socket, options, reason(), handed)
      return
    }
    const timer = setTimeout(() => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting)
      this.answer(socket, options, reason(), handed)
    }, options.connectTimeout * 1000)
    const waiting = { socket, handed, timer }
    this.#waiting.push(waiting)
  }

  takeWaiting(): readonly Waiting[] {
    const taken = this.#waiting
    this.#waiting = []
    for (const { timer } of taken) clearTimeout(timer)
    return taken
  }

  refuseWaiting(options: EnvironmentOptions, reason: StatusError): void {
    for (const { socket, handed } of this.takeWaiting()) {
      this.answer(socket, options, reason, handed)
    }
  }

  /**
   * The process serves the port now: who is being answered gets the rest of the answer, and then must
   * connect anew (an HTTP client would go on asking here on its kept connection).
   */
  retire(): void {
    const sockets = [...this.#answering]
    if (sockets.length === 0) return
    setTimeout(() => {
      for (const socket of sockets) socket.destroySoon()
    }, STANDBY_RETIRE).unref()
  }

  close(): void {
    for (const { socket } of this.takeWaiting()) socket.destroy()
    for (const socket of this.#answering) socket.destroy()
  }
}
