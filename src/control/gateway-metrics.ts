/** The gateway's own metrics, and those of its policy port. */
import type { GatewayFigures, PolicyFigures } from '../gateway/contract.js'
import type { MetricSet } from './metric-set.js'

export function gatewayMetrics(set: MetricSet): (figures: GatewayFigures) => void {
  const started = set.gauge(
    'pvpn_gateway_start_time_seconds',
    'When the gateway began, as Unix time',
  )
  const memory = set.gauge('pvpn_gateway_resident_memory_bytes', 'Memory of the gateway')
  const cpu = set.counter('pvpn_gateway_cpu_seconds_total', 'CPU time of the gateway')
  const active = set.counter(
    'pvpn_gateway_event_loop_active_seconds_total',
    'Time that the gateway’s event loop was not idle',
  )
  const lag = set.gauge(
    'pvpn_gateway_event_loop_lag_seconds',
    'What work that was ready had to wait, at the reading before this one',
  )
  const reloads = set.counter(
    'pvpn_config_reloads_total',
    'Times the configuration was read again; failed: it could not be used, and all ran on as before',
    ['result'],
  )
  const good = set.gauge(
    'pvpn_config_last_reload_successful',
    '1 when the configuration could be used when it was read last, else 0',
  )
  const configured = set.gauge(
    'pvpn_config_last_reload_success_timestamp_seconds',
    'When the configuration that is used was read',
  )
  return (figures) => {
    const { process } = figures
    started.set(process.startedAt)
    memory.set(process.memory)
    cpu.inc(process.cpu)
    active.inc(process.loopActive)
    lag.set(process.loopLag)
    reloads.inc({ result: 'succeeded' }, figures.reloads.succeeded)
    reloads.inc({ result: 'failed' }, figures.reloads.failed)
    good.set(figures.configurationGood ? 1 : 0)
    configured.set(figures.configuredAt)
  }
}

export function policyMetrics(set: MetricSet): (figures: PolicyFigures) => void {
  const decisions = set.counter(
    'pvpn_policy_decisions_total',
    'What the policy port decided: allowed, and into which environment; denied; undecided: an environment that had to be asked could not tell',
    ['environment', 'result'],
  )
  const took = set.histogram(
    'pvpn_policy_decision_duration_seconds',
    'Time that decisions of the policy port took, questions to resolvers included',
  )
  return (figures) => {
    for (const [environment, n] of Object.entries(figures.allowed)) {
      decisions.inc({ environment, result: 'allowed' }, n)
    }
    decisions.inc({ environment: '', result: 'denied' }, figures.denied)
    decisions.inc({ environment: '', result: 'undecided' }, figures.undecided)
    took.set({}, figures.took)
  }
}
