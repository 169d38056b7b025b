/** A Prometheus histogram whose buckets were filled elsewhere: prom-client's own can only observe. */
import type { Metric, Registry } from 'prom-client'
import type { HistogramFigures } from '../core/histogram.js'

interface Sample {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** Milliseconds become seconds, as all of Prometheus counts. */
const UNIT = 1000

export class BucketHistogram {
  readonly name: string
  readonly help: string
  readonly #samples: Sample[] = []

  constructor(name: string, help: string, registry: Registry) {
    this.name = name
    this.help = help
    // What a registry asks of a metric is its name and `get`.
    registry.registerMetric(this as unknown as Metric)
  }

  reset(): void {
    this.#samples.length = 0
  }

  /** All that was counted with these labels, in milliseconds. */
  set(labels: Readonly<Record<string, string>>, { bounds, counts, sum }: HistogramFigures): void {
    const metricName = `${this.name}_bucket`
    let total = 0
    counts.forEach((count, index) => {
      total += count
      const bound = bounds[index]
      const le = bound === undefined ? '+Inf' : bound / UNIT
      this.#samples.push({ metricName, labels: { ...labels, le }, value: total })
    })
    this.#samples.push({ metricName: `${this.name}_sum`, labels, value: sum / UNIT })
    this.#samples.push({ metricName: `${this.name}_count`, labels, value: total })
  }

  async get() {
    const { name, help } = this
    return { name, help, type: 'histogram', values: this.#samples, aggregator: 'sum' }
  }
}
