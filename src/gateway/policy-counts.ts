/** How the policy port decided, in numbers: by environment, all of which are configured. */
import { Histogram } from '../core/histogram.js'
import type { PolicyFigures } from './contract.js'

/** Upper bounds in milliseconds of how long decisions took. */
const BUCKETS = [0.25, 0.5, 1, 2.5, 5, 10, 50, 250, 1000, 5000]

export class PolicyCounts {
  readonly #took = new Histogram(BUCKETS)
  #allowed = new Map<string, number>()
  #denied = 0
  #undecided = 0

  /** Environments that are configured no more are forgotten. */
  configure(environments: readonly string[]): void {
    this.#allowed = new Map(environments.map((name) => [name, this.#allowed.get(name) ?? 0]))
  }

  allow(environment: string): void {
    const count = this.#allowed.get(environment)
    if (count !== undefined) this.#allowed.set(environment, count + 1)
  }

  deny(): void {
    this.#denied++
  }

  undecided(): void {
    this.#undecided++
  }

  /** Milliseconds. */
  took(time: number): void {
    this.#took.observe(time)
  }

  get figures(): PolicyFigures {
    return {
      allowed: Object.fromEntries(this.#allowed),
      denied: this.#denied,
      undecided: this.#undecided,
      took: this.#took.figures,
    }
  }
}
