/**
 * How long handshakes took lately, per far side and for all: a SYN that is lost on a path that is known
 * to be good is sent again after that, not after the second that RFC 6298 wants where nothing is known.
 */
import { formatIp } from '../../core/ip.js'
import type { Bytes, Millis } from '../../core/types.js'
import { KNOWN_TRIPS } from './limits.js'
import { RTO_INITIAL } from './round-trip.js'

/** What is older says nothing any more, in milliseconds. */
const LIFETIME = 600_000
/** Handshakes of all far sides that count for one that is not known. */
const RECENT = 16
/** The first SYN waits for at least this many milliseconds. */
export const SYN_TIMEOUT_LEAST = 250

interface Known {
  readonly trip: Millis
  readonly at: Millis
}

export class KnownTrips {
  /** By address text, oldest first. */
  readonly #byRemote = new Map<string, Known>()
  readonly #recent: Known[] = []
  #next = 0

  /** A handshake with `remote` took `trip` milliseconds. */
  note(remote: Bytes, trip: Millis, now: Millis): void {
    const key = formatIp(remote)
    // One quick answer does not make a slow far side quick.
    const before = this.#fresh(this.#byRemote.get(key), now)
    const known = { trip: Math.max(trip, 0.75 * before), at: now }
    this.#byRemote.delete(key)
    this.#byRemote.set(key, known)
    if (this.#byRemote.size > KNOWN_TRIPS) {
      for (const oldest of this.#byRemote.keys()) {
        this.#byRemote.delete(oldest)
        break
      }
    }
    this.#recent[this.#next] = { trip, at: now }
    this.#next = (this.#next + 1) % RECENT
  }

  /** Milliseconds until a first SYN to `remote` is sent again: twice the round trip to it, else twice the longest of the last handshakes. */
  timeout(remote: Bytes, now: Millis): Millis {
    let trip = this.#fresh(this.#byRemote.get(formatIp(remote)), now)
    if (trip === 0) for (const known of this.#recent) trip = Math.max(trip, this.#fresh(known, now))
    if (trip === 0) return RTO_INITIAL
    return Math.min(RTO_INITIAL, Math.max(SYN_TIMEOUT_LEAST, 2 * trip))
  }

  /** 0: nothing known. */
  #fresh(known: Known | undefined, now: Millis): Millis {
    return known === undefined || now - known.at > LIFETIME ? 0 : Math.max(known.trip, 0.001)
  }
}
