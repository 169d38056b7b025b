/** How far a connection has come, and how long each part may take. */
import type { OpenvpnOptions } from '../../core/options.js'
import type { Millis } from '../../core/types.js'
import {
  type Failure,
  handshakeTimeout,
  loginTimeout,
  pushTimeout,
  retry,
  unreachable,
} from './failure.js'
import { FIRST_ANSWER_TIMEOUT, HANDSHAKE_TIMEOUT, PUSH_TIMEOUT } from './timing.js'

/** Waits for: the first answer; TLS and keys; the configuration; nothing. */
export type Phase = 'reset' | 'handshake' | 'push' | 'up'

const SECOND = 1000

export class Phases {
  readonly #options: OpenvpnOptions
  readonly #remote: string
  current: Phase = 'reset'
  /** When the current phase has taken too long. */
  ends: Millis

  /** `remote` is for people. */
  constructor(options: OpenvpnOptions, remote: string, now: Millis) {
    this.#options = options
    this.#remote = remote
    this.ends = now + connectTime(options)
  }

  enter(phase: Phase, now: Millis): void {
    this.current = phase
    if (phase === 'handshake') this.ends = now + handshakeTime(this.#options)
    else this.ends = phase === 'push' ? now + PUSH_TIMEOUT : Number.POSITIVE_INFINITY
  }

  /** The server waits for a person to log in. */
  login = false

  /** The server has asked for patience. */
  extend(until: Millis): void {
    if (this.current === 'push') this.ends = Math.max(this.ends, until)
  }

  tooLate(): Failure {
    const remote = this.#remote
    if (this.login) return { error: loginTimeout(remote), kind: 'credentials' }
    if (this.current === 'push') return retry(pushTimeout(remote, PUSH_TIMEOUT))
    if (this.current === 'handshake') {
      return retry(handshakeTimeout(remote, handshakeTime(this.#options)))
    }
    return retry(unreachable(remote, connectTime(this.#options)))
  }
}

/** How long a remote may say nothing at all. */
export function connectTime({ connectTimeout }: OpenvpnOptions): Millis {
  return connectTimeout === undefined ? FIRST_ANSWER_TIMEOUT : connectTimeout * SECOND
}

/** How long a negotiation may take from its reset to keys. */
export function handshakeTime({ handshakeWindow }: OpenvpnOptions): Millis {
  return handshakeWindow === undefined ? HANDSHAKE_TIMEOUT : handshakeWindow * SECOND
}
