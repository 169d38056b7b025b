/** The metrics of one registry, made and emptied together: what is gone leaves no series behind. */
import { Counter, Gauge, Registry } from 'prom-client'
import { BucketHistogram } from './bucket-histogram.js'

export class MetricSet {
  readonly registry = new Registry()
  readonly #made: { reset(): void }[] = []

  gauge<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) {
    return this.#keep(new Gauge({ name, help, labelNames, registers: [this.registry] }))
  }

  /** Filled by one `inc` per series and reading with all that was counted so far. */
  counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) {
    return this.#keep(new Counter({ name, help, labelNames, registers: [this.registry] }))
  }

  histogram(name: string, help: string): BucketHistogram {
    return this.#keep(new BucketHistogram(name, help, this.registry))
  }

  reset(): void {
    for (const metric of this.#made) metric.reset()
  }

  #keep<M extends { reset(): void }>(metric: M): M {
    this.#made.push(metric)
    return metric
  }
}
