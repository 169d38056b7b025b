/** Promises that wait for one event together. */

export class Waiters {
  readonly #waiting = new Set<() => void>()

  /** Resolves with the next `release`, or after `timeout` milliseconds. */
  wait(timeout?: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = timeout === undefined ? undefined : setTimeout(done, timeout)
      this.#waiting.add(done)
    })
  }

  release(): void {
    for (const done of [...this.#waiting]) done()
  }
}
