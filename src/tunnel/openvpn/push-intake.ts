/** Takes a connection's PUSH_REPLYs: the first, maybe in several messages, and later ones for new tokens. */
import { PvpnError } from '../../core/errors.js'
import type { OpenvpnOptions } from '../../core/options.js'
import type { Credentials } from './credentials.js'
import type { Failure } from './failure.js'
import { PushedOptions } from './push-options.js'
import { unacceptable } from './session-keys.js'

/**
 * - `done`: the push is whole; - `more`: it is not, or it changes nothing; - `endless`: it has more
 * options than a push may have; - a failure: it can't be followed.
 */
export type PushOutcome = 'done' | 'more' | 'endless' | Failure

export class PushIntake {
  readonly pushed = new PushedOptions()
  readonly #options: OpenvpnOptions
  readonly #credentials: Credentials
  #done = false

  constructor(options: OpenvpnOptions, credentials: Credentials) {
    this.#options = options
    this.#credentials = credentials
    // What the file itself says of what may be pushed, the push may overwrite.
    for (const [name = '', ...args] of options.directives) this.pushed.read(name, args)
  }

  take(text: string, more: boolean): PushOutcome {
    const { routeNoPull, pullFilters: filters } = this.#options
    if (this.#done) {
      // After a renegotiation a server may push a new token; nothing else is taken while up.
      const late = new PushedOptions()
      late.readMessage(text, { routeNoPull: true, filters })
      this.#keepToken(late)
      return 'more'
    }
    const { pushed } = this
    if (!pushed.readMessage(text, { routeNoPull, filters })) return 'endless'
    if (more) return 'more'
    this.#done = true
    this.#keepToken(pushed)
    if (pushed.rejected !== undefined) {
      return { error: new PvpnError('ERR_CONFIG', pushed.rejected), kind: 'refused' }
    }
    return unacceptable(pushed) ?? 'done'
  }

  #keepToken({ authToken, authTokenUser }: PushedOptions): void {
    if (authToken !== undefined) this.#credentials.keepToken(authToken, authTokenUser)
  }
}
