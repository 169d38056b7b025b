/** Prometheus metrics of gateway and environments, read when they are asked for. */
import type { Gateway, Policy } from '../gateway/contract.js'
import { environmentMetrics } from './environment-metrics.js'
import { gatewayMetrics, policyMetrics } from './gateway-metrics.js'
import { MetricSet } from './metric-set.js'

export interface Metrics {
  readonly contentType: string
  /** The exposition text. Askers at the same time share one reading. */
  render(): Promise<string>
}

export interface MetricsSources {
  readonly gateway: Pick<Gateway, 'readings' | 'figures'>
  readonly policy: Pick<Policy, 'figures'>
  readonly version: string
}

export function createMetrics({ gateway, policy, version }: MetricsSources): Metrics {
  const set = new MetricSet()
  const info = set.gauge('pvpn_build_info', 'Always 1; the version is a label', ['version'])
  const putGateway = gatewayMetrics(set)
  const putPolicy = policyMetrics(set)
  const putEnvironment = environmentMetrics(set)

  const read = async () => {
    const readings = await gateway.readings()
    set.reset()
    info.set({ version }, 1)
    putGateway(gateway.figures)
    putPolicy(policy.figures)
    for (const reading of readings) putEnvironment(reading)
    return set.registry.metrics()
  }

  let reading: Promise<string> | undefined
  return {
    contentType: set.registry.contentType,
    render() {
      reading ??= read().finally(() => {
        reading = undefined
      })
      return reading
    },
  }
}
