/** A histogram with fixed bounds: plain numbers, no allocation when it counts. */

/** What was counted so far; cumulative since the process began. */
export interface HistogramFigures {
  /** Upper bounds of the buckets, ascending; one more bucket holds the rest. */
  readonly bounds: readonly number[]
  /** One count per bucket (not cumulative), `bounds.length + 1` of them. */
  readonly counts: readonly number[]
  /** Of all values, in the bounds' unit. */
  readonly sum: number
}

export class Histogram {
  readonly bounds: readonly number[]
  readonly #counts: number[]
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.#counts = new Array<number>(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    const { bounds } = this
    let at = 0
    while (at < bounds.length && value > (bounds[at] as number)) at++
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#sum += value
  }

  get figures(): HistogramFigures {
    return { bounds: this.bounds, counts: [...this.#counts], sum: this.#sum }
  }
}
