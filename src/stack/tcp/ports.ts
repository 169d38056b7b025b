/** Local ports for connections of our own: random (RFC 6056 section 3.3.1, algorithm 1). */
import { u32 } from '../../core/bytes.js'
import type { Random } from '../../core/types.js'

/** Random tries before every port is looked at. */
const TRIES = 64

export type PortUse = 'free' | 'reusable' | 'taken'

export class Ports {
  readonly #random: Random
  readonly #from: number
  readonly #count: number
  readonly #pool = new Uint8Array(256)
  #poolAt = 256

  constructor(random: Random, range: readonly [number, number]) {
    this.#random = random
    this.#from = range[0]
    this.#count = range[1] - range[0] + 1
  }

  #draw(): number {
    if (this.#poolAt === this.#pool.length) {
      this.#random(this.#pool)
      this.#poolAt = 0
    }
    const value = u32(this.#pool, this.#poolAt)
    this.#poolAt += 4
    return this.#from + (value % this.#count)
  }

  /** A port that `use` calls free, else one it calls reusable (an old TIME-WAIT); undefined: all are taken. */
  choose(use: (port: number) => PortUse): number | undefined {
    let reusable: number | undefined
    let port = 0
    for (let i = 0; i < TRIES; i++) {
      port = this.#draw()
      const found = use(port)
      if (found === 'free') return port
      if (found === 'reusable') reusable ??= port
    }
    if (reusable !== undefined) return reusable
    for (let i = 1; i <= this.#count; i++) {
      const next = this.#from + ((port - this.#from + i) % this.#count)
      if (use(next) !== 'taken') return next
    }
    return undefined
  }
}
