/** A connection that carries packets: is the server alive, is it time for a new one? */
import { PvpnError } from '../../core/errors.js'
import type { Bytes, Millis } from '../../core/types.js'
import { serverLeft, serverWords, silent } from './failure.js'
import { FRAME, frame } from './frame.js'
import type { Line } from './line.js'
import type { TunnelReady } from './setup.js'
import { PROBE_AFTER, PROBE_LEAST, REKEY_LEAST } from './timing.js'

const NEVER = Number.POSITIVE_INFINITY

export class Service {
  readonly line: Line
  readonly since: Millis
  /** Why it is of no use any more. */
  failure: PvpnError | undefined
  /** When a new tunnel is due. */
  rekeyAt: Millis
  readonly #where: string
  readonly #probeAfter: Millis
  readonly #keepalive: Millis
  #received: Millis
  #sent: Millis
  #probed: Millis | undefined

  /** `where`: the server, for messages. */
  constructor({ line, settings }: TunnelReady, where: string, now: Millis) {
    const { probeAfter = PROBE_AFTER, keepalive = NEVER, rekeyAfter = NEVER } = settings
    this.line = line
    this.since = now
    this.#where = where
    this.#probeAfter = Math.max(PROBE_LEAST, Math.min(PROBE_AFTER, probeAfter))
    this.#keepalive = Math.max(PROBE_LEAST, keepalive)
    this.rekeyAt = now + Math.max(REKEY_LEAST, rekeyAfter)
    this.#received = now
    this.#sent = now
  }

  /** Packets have come, or gone. */
  heard(now: Millis): void {
    this.#received = now
    this.#probed = undefined
  }

  spoke(now: Millis): void {
    this.#sent = now
  }

  /** A frame that holds no packet; the result is an answer to be sent. */
  control(type: number, payload: Bytes): Bytes | undefined {
    if (type === FRAME.dpdRequest) return frame(FRAME.dpdResponse, payload)
    if (type === FRAME.disconnect || type === FRAME.terminate) {
      const words = serverWords(new TextDecoder().decode(payload.subarray(1)))
      this.failure ??= serverLeft(
        this.#where,
        `has ended the session${words === '' ? '' : `: ${words}`}`,
      )
    }
    return undefined
  }

  deadline(): Millis {
    if (this.failure !== undefined || this.line.pending) return 0
    return Math.min(this.#silenceEnds, this.#sent + this.#keepalive)
  }

  /** Returns what is to be sent now. */
  tick(now: Millis): Bytes | undefined {
    this.#look()
    if (this.failure !== undefined) return undefined
    if (now >= this.#received + 2 * this.#probeAfter) {
      this.failure = silent(this.#where, now - this.#received)
    } else if (now >= this.#silenceEnds) {
      this.#probed = now
      return frame(FRAME.dpdRequest)
    } else if (now >= this.#sent + this.#keepalive) {
      this.#sent = now
      return frame(FRAME.keepalive)
    }
    return undefined
  }

  /** The next probe, or the end: three probes go out before the server counts as gone. */
  get #silenceEnds(): Millis {
    if (this.#probed === undefined) return this.#received + this.#probeAfter
    const third = this.#probeAfter / 3
    return Math.min(this.#probed + third, this.#received + 2 * this.#probeAfter)
  }

  #look(): void {
    for (let event = this.line.take(); event !== undefined; event = this.line.take()) {
      if (event.kind !== 'closed') continue
      const { code, message } = event.error
      this.failure ??=
        code === 'ERR_PROTOCOL'
          ? event.error
          : new PvpnError('ERR_DOWN', `the connection to ${this.#where} ended: ${message}`, {
              hint: 'the connection is made again',
            })
    }
  }
}
