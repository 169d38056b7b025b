/** The timers of one peer (paper section 6): when what is due. Infinity: not at all. */
import { u32 } from '../../core/bytes.js'
import type { Millis, Random } from '../../core/types.js'
import {
  KEEPALIVE_TIMEOUT,
  REKEY_TIMEOUT_JITTER,
  SILENCE_TIMEOUT,
  WIPE_AFTER_TIME,
} from './timing.js'

const NEVER = Number.POSITIVE_INFINITY

export class PeerTimers {
  /** The initiation has not been answered: send another. */
  retryAt: Millis = NEVER
  /** We have received data and sent nothing since: send a keepalive. */
  keepaliveAt: Millis = NEVER
  /** We have sent data and received nothing since: make a new session. */
  silenceAt: Millis = NEVER
  /** Nothing went either way: send a persistent keepalive. */
  persistentAt: Millis = NEVER
  /** The session grows old: make a new one, even when idle (decision 0030). */
  renewAt: Millis = NEVER
  /** No new session for long: wipe the keys. */
  wipeAt: Millis = NEVER
  /** Milliseconds; 0: off. */
  readonly #persistentInterval: number
  readonly #random: Random
  readonly #bytes = new Uint8Array(4)

  constructor(persistentInterval: number, random: Random) {
    this.#persistentInterval = persistentInterval
    this.#random = random
  }

  get deadline(): Millis {
    let first = this.retryAt
    if (this.keepaliveAt < first) first = this.keepaliveAt
    if (this.silenceAt < first) first = this.silenceAt
    if (this.persistentAt < first) first = this.persistentAt
    if (this.renewAt < first) first = this.renewAt
    if (this.wipeAt < first) first = this.wipeAt
    return first
  }

  clear(): void {
    this.retryAt = NEVER
    this.keepaliveAt = NEVER
    this.silenceAt = NEVER
    this.persistentAt = NEVER
    this.renewAt = NEVER
    this.wipeAt = NEVER
  }

  retry(now: Millis, timeout: number): void {
    this.retryAt = now + timeout + this.#jitter()
  }

  /** Anything that the peer can authenticate was sent: it serves as keepalive. */
  authenticatedSent(now: Millis): void {
    this.keepaliveAt = NEVER
    this.#traversed(now)
  }

  dataSent(now: Millis): void {
    this.authenticatedSent(now)
    if (this.silenceAt === NEVER) this.silenceAt = now + SILENCE_TIMEOUT + this.#jitter()
  }

  authenticatedReceived(now: Millis): void {
    this.silenceAt = NEVER
    this.#traversed(now)
  }

  dataReceived(now: Millis): void {
    if (this.keepaliveAt === NEVER) this.keepaliveAt = now + KEEPALIVE_TIMEOUT
  }

  sessionBegan(now: Millis, renewable: boolean, renewAfter: number): void {
    this.wipeAt = now + WIPE_AFTER_TIME
    this.renewAt = renewable ? now + renewAfter + this.#jitter() : NEVER
    this.#traversed(now)
  }

  #traversed(now: Millis): void {
    if (this.#persistentInterval > 0) this.persistentAt = now + this.#persistentInterval
  }

  #jitter(): number {
    this.#random(this.#bytes)
    return (u32(this.#bytes, 0) / 2 ** 32) * REKEY_TIMEOUT_JITTER
  }
}
