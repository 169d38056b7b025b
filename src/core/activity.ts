/** What goes on in an environment just now, for a person who looks: connections, and what failed last. */

export interface ActiveConnection {
  readonly id: number
  /** Path of the executable; null: not found, or another user's. */
  readonly program: string | null
  /** Proxy user that gave a password. */
  readonly user: string | null
  /** `socks5`, `socks4`, `http`; null before the first byte. */
  readonly protocol: string | null
  /** `host:port`; null while nothing was asked for. HTTP may go to several: the last one. */
  readonly target: string | null
  /** Seconds since it was accepted. */
  readonly age: number
  /** Bytes from and to the program. */
  readonly bytesOut: number
  readonly bytesIn: number
}

export interface RecentFailure {
  /** ISO 8601, of the last time. */
  readonly at: string
  readonly code: string
  readonly message: string
  /** `host:port`; null: the environment itself. */
  readonly target: string | null
  /** What the reader can do about it; null: nothing is known. */
  readonly hint: string | null
  /** How often, as long as it is remembered. */
  readonly times: number
}

export interface EnvironmentActivity {
  /** The busiest, in the order in which they came. */
  readonly connections: readonly ActiveConnection[]
  /** How many there are. */
  readonly total: number
  /** The newest first. */
  readonly failures: readonly RecentFailure[]
}

export type Failure = Omit<RecentFailure, 'times'>

/** The last failures. The same again counts up; at the bound the oldest is forgotten. */
export class FailureRing {
  readonly #most: number
  #failures: RecentFailure[] = []

  constructor(most: number) {
    this.#most = most
  }

  add(failure: Failure): void {
    const same = (other: RecentFailure) =>
      other.code === failure.code &&
      other.target === failure.target &&
      other.message === failure.message
    const times = 1 + (this.#failures.find(same)?.times ?? 0)
    const others = this.#failures.filter((other) => !same(other))
    this.#failures = [{ ...failure, times }, ...others].slice(0, this.#most)
  }

  get list(): readonly RecentFailure[] {
    return this.#failures
  }
}
