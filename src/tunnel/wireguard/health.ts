/**
 * Is the tunnel up? A peer is alive from a completed handshake until handshakes have failed for
 * DOWN_AFTER_TIME; the tunnel is up while any peer is alive.
 */
import { PvpnError } from '../../core/errors.js'
import type { TunnelEvent } from '../../core/tunnel.js'
import type { LinkInfo } from '../../core/types.js'
import { WG_EVENTS } from './limits.js'

const HINT =
  'check the endpoint, that UDP gets there, and the keys: a server is silent to keys that it does not know'

export class Health {
  readonly #link: LinkInfo
  readonly #alive = new Set<object>()
  readonly #events: TunnelEvent[] = []
  #everUp = false

  constructor(link: LinkInfo) {
    this.#link = link
  }

  isAlive(peer: object): boolean {
    return this.#alive.has(peer)
  }

  /** A session with the peer is there (again). */
  alive(peer: object): void {
    if (this.#alive.has(peer)) return
    this.#alive.add(peer)
    if (this.#alive.size > 1) return
    this.#everUp = true
    this.report({ kind: 'up', link: this.#link })
  }

  /** Handshakes with the peer have failed for too long. */
  dead(peer: object, error: PvpnError): void {
    if (this.#alive.delete(peer) && this.#alive.size === 0) this.report({ kind: 'down', error })
  }

  /** What was tried so far and did not work. */
  trying(error: PvpnError): void {
    if (!this.#everUp) this.report({ kind: 'trying', error })
  }

  reset(): void {
    this.#alive.clear()
    this.#events.length = 0
    this.#everUp = false
  }

  report(event: TunnelEvent): void {
    const last = this.#events.at(-1)
    // Of several in a row that nobody has taken yet, only the newest `trying` is of interest.
    if (event.kind === 'trying' && last?.kind === 'trying') this.#events.pop()
    if (this.#events.length >= WG_EVENTS) this.#events.shift()
    this.#events.push(event)
  }

  take(): TunnelEvent | undefined {
    return this.#events.shift()
  }
}

/** No answer to handshakes; `time` in milliseconds. */
export function noAnswer(from: string, handshakes: number, time: number): PvpnError {
  const many = handshakes === 1 ? '1 handshake' : `${handshakes} handshakes`
  const seconds = Math.round(time / 1000)
  return new PvpnError(
    'ERR_TIMEOUT',
    `server unreachable: no answer from ${from} to ${many} in ${seconds} s`,
    {
      hint: HINT,
    },
  )
}

/** The endpoint's name has no address yet. */
export function unresolved(host: string): PvpnError {
  return new PvpnError('ERR_NAME', `server unreachable: the name ${host} does not resolve`, {
    hint: "check the endpoint's name and this machine's own DNS",
  })
}
