/** The last decisions of the policy port, for `pvpn explain --last`: who wanted where, and what decided. No payload. */
import type { PolicyDecision } from './contract.js'
import { DECISIONS_KEPT } from './limits.js'

export class DecisionRing {
  readonly #kept: PolicyDecision[] = []
  #next = 0

  add(decision: PolicyDecision): void {
    this.#kept[this.#next] = decision
    this.#next = (this.#next + 1) % DECISIONS_KEPT
  }

  /** The newest first. */
  list(): readonly PolicyDecision[] {
    return [...this.#kept.slice(this.#next), ...this.#kept.slice(0, this.#next)].reverse()
  }
}
