/**
 * Memory that all connections of a stack share, one account for each direction. From three quarters on
 * each connection gets a share of the last quarter only, so that a few cannot starve the others; beyond
 * the whole nothing is taken, however many connections there are. Bytes.
 */

/** Part from which on connections get shares. */
const PRESSURE = 0.75

export class SharedMemory {
  held = 0
  /** Never exceeded. */
  readonly most: number
  readonly #pressure: number

  constructor(most: number) {
    this.most = most
    this.#pressure = most === Number.POSITIVE_INFINITY ? most : PRESSURE * most
  }

  get pressed(): boolean {
    return this.held >= this.#pressure
  }

  /** What one of `connections` may hold under pressure: `usual`, or less where they are many. */
  share(usual: number, connections: number): number {
    return Math.min(usual, Math.floor((this.most - this.#pressure) / Math.max(1, connections)))
  }

  /** Bytes that may still be taken. */
  get left(): number {
    return Math.max(0, this.most - this.held)
  }
}
