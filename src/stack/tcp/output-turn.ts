/** Connections that wait for their turn to send, first come, first served. */
import type { Connection } from './connection.js'

/** Places at the front that were served are given up in blocks of this many. */
const BLOCK = 1024

export class OutputTurn {
  readonly #waiting: Connection[] = []
  #at = 0

  add(c: Connection): void {
    this.#waiting.push(c)
  }

  get empty(): boolean {
    return this.#at === this.#waiting.length
  }

  /** Takes the next one; undefined: none is left, or there is no room for it and it stays. */
  next(room: boolean): Connection | undefined {
    if (room && this.#at < this.#waiting.length) {
      const c = this.#waiting[this.#at++]
      if (this.#at >= BLOCK) this.#compact()
      return c
    }
    this.#compact()
    return undefined
  }

  #compact(): void {
    if (this.#at === 0) return
    if (this.#at === this.#waiting.length) this.#waiting.length = 0
    else this.#waiting.splice(0, this.#at)
    this.#at = 0
  }
}
