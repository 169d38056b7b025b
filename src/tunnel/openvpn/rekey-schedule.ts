/** When new keys are wanted, how long agreeing on them may take, and for how long that may fail. */
import type { OpenvpnOptions } from '../../core/options.js'
import type { Millis } from '../../core/types.js'
import { handshakeTime } from './phases.js'
import { RENEGOTIATE_AFTER, RENEGOTIATE_RETRY, TRANSITION_WINDOW } from './timing.js'

const NEVER = Number.POSITIVE_INFINITY
const SECOND = 1000

export class RekeySchedule {
  readonly #options: OpenvpnOptions
  #beginAt: Millis = NEVER
  #endAt: Millis = NEVER
  /** Of the attempts that have failed in a row. */
  #firstFailure: Millis | undefined

  constructor(options: OpenvpnOptions) {
    this.#options = options
  }

  get deadline(): Millis {
    return Math.min(this.#beginAt, this.#endAt)
  }

  /** Are new keys due? */
  due(now: Millis): boolean {
    return this.#beginAt <= now
  }

  /** Has the attempt under way taken too long, or broken off? */
  late(now: Millis): boolean {
    return this.#endAt <= now
  }

  begun(now: Millis): void {
    this.#beginAt = NEVER
    this.#endAt = now + handshakeTime(this.#options)
  }

  /** The attempt has come to nothing: it is `late` now. */
  brokenOff(): void {
    this.#endAt = 0
  }

  /** Keys were agreed on. `pushed`: how long the server wants them used, where it says so. */
  agreed(now: Millis, pushed: Millis | undefined): void {
    const { renegotiateSeconds } = this.#options
    const own = renegotiateSeconds === undefined ? undefined : renegotiateSeconds * SECOND
    const time = own ?? pushed ?? RENEGOTIATE_AFTER
    this.#beginAt = time === 0 ? NEVER : now + time
    this.#endAt = NEVER
    this.#firstFailure = undefined
  }

  /** The attempt is given up. False: attempts have failed for so long that the old key is too old. */
  failed(now: Millis): boolean {
    this.#endAt = NEVER
    this.#beginAt = now + RENEGOTIATE_RETRY
    this.#firstFailure ??= now
    return now - this.#firstFailure < TRANSITION_WINDOW
  }
}
