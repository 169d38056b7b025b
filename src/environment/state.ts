/** The states of an environment and what may follow what. */
import type { EnvironmentState } from '../core/environment.js'
import { PvpnError } from '../core/errors.js'
import type { Millis } from '../core/types.js'

/**
 *   stopped ─► starting ─► up ◄─► down      failed: needs a person; any state may become
 *                  └────────┴───────┴─► failed         stopped by command.
 */
export class StateMachine {
  readonly #changed: () => void
  #state: EnvironmentState = 'stopped'
  #error: PvpnError | undefined
  #upSince: Millis | undefined

  /** `changed` is called after each change of state or error. */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  get state(): EnvironmentState {
    return this.#state
  }

  get error(): PvpnError | undefined {
    return this.#error
  }

  get upSince(): Millis | undefined {
    return this.#upSince
  }

  starting(): void {
    this.#set('starting', undefined)
  }

  up(now: Millis): void {
    if (this.#state === 'stopped') return
    this.#upSince ??= now
    this.#set('up', undefined)
  }

  down(error: PvpnError): void {
    if (this.#state === 'stopped') return
    this.#set('down', error)
  }

  /** Not up yet, and this is why; leaves `down` and `up` as they are. */
  trying(error: PvpnError): void {
    if (this.#state === 'starting' || this.#state === 'down') this.#set(this.#state, error)
  }

  failed(error: PvpnError): void {
    if (this.#state !== 'stopped') this.#set('failed', error)
  }

  stopped(): void {
    this.#set('stopped', undefined)
  }

  /** The error for a program that asks an environment which is not up. */
  refusal(name: string): PvpnError {
    const why = this.#error === undefined ? '' : `: ${this.#error.message}`
    const hint = this.#error?.hint?.replace(/\bENV\b/, name) ?? `see: pvpn status`
    return new PvpnError('ERR_DOWN', `environment "${name}" is not up (${this.#state})${why}`, {
      hint,
    })
  }

  #set(state: EnvironmentState, error: PvpnError | undefined): void {
    if (state !== 'up') this.#upSince = undefined
    if (this.#state === state && this.#error?.message === error?.message) return
    this.#state = state
    this.#error = error
    this.#changed()
  }
}
