/** A clock for code with promises: time stands still until a test moves it on. */
import type { Clock, Millis } from '../../src/core/types.js'

export class VirtualClock implements Clock {
  #now: Millis = 0
  #timers: { when: Millis; run: () => void }[] = []

  now(): Millis {
    return this.#now
  }

  at(when: Millis, run: () => void): () => void {
    const timer = { when, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.length
  }

  /** Lets this much time pass: timers run in order, and after each everything that waited on promises. */
  async advance(by: Millis): Promise<void> {
    const until = this.#now + by
    await settled()
    for (;;) {
      const next = this.#timers.reduce<{ when: Millis; run: () => void } | undefined>(
        (first, timer) => (first === undefined || timer.when < first.when ? timer : first),
        undefined,
      )
      if (next === undefined || next.when > until) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#now = Math.max(this.#now, next.when)
      next.run()
      await settled()
    }
    this.#now = until
  }
}

/** After all promises that are settled now have had their effects. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
