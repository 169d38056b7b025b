/** What Prometheus gets: names, labels, histograms, and what stays out of labels. */
import t from 'tap'
import { createMetrics } from '../../src/control/metrics.js'
import { parseExposition, valuesOf } from '../support/exposition.js'
import { environmentFigures } from '../support/figures.js'
import { environmentStatus, FakeGateway } from './fake-gateway.js'

function metricsOf(gateway: FakeGateway) {
  const { render } = createMetrics({ gateway, policy: gateway.policy, version: '1.2.3' })
  return { render, series: async () => parseExposition(await render()) }
}

t.test('every figure is there, with its environment', async (t) => {
  const text = await metricsOf(new FakeGateway()).render()
  for (const line of [
    'pvpn_build_info{version="1.2.3"} 1',
    'pvpn_environment_state{environment="office",state="up"} 1',
    'pvpn_environment_state{environment="office",state="down"} 0',
    'pvpn_environment_up{environment="site"} 1',
    'pvpn_environment_restarts_total{environment="office"} 6',
    'pvpn_standby_answers_total{environment="office"} 7',
    'pvpn_connections{environment="office"} 7',
    'pvpn_connections_total{environment="office",result="ok"} 12',
    'pvpn_connections_total{environment="office",result="ERR_REFUSED"} 3',
    'pvpn_connections_total{environment="office",result="ERR_NAME"} 0',
    'pvpn_proxy_bytes_total{environment="office",direction="out"} 100',
    'pvpn_proxy_bytes_total{environment="office",direction="in"} 2000',
    'pvpn_tunnel_bytes_total{environment="site",direction="in"} 11',
    'pvpn_tunnel_packets_total{environment="site",direction="out"} 4',
    'pvpn_tunnel_dropped_packets_total{environment="site",reason="replay"} 2',
    'pvpn_tunnel_handshakes_total{environment="site",result="completed"} 8',
    'pvpn_tunnel_handshakes_total{environment="site",result="failed"} 9',
    'pvpn_last_handshake_timestamp_seconds{environment="site"} 1767225600',
    'pvpn_stack_dropped_packets_total{environment="site",reason="tcp-checksum"} 1',
    'pvpn_tcp_connections{environment="office"} 2',
    'pvpn_tcp_retransmitted_segments_total{environment="office"} 13',
    'pvpn_tcp_retransmission_timeouts_total{environment="office"} 1',
    'pvpn_dns_queries_total{environment="office",result="silent"} 1',
    'pvpn_dns_cache_lookups_total{environment="office",result="hit"} 6',
    'pvpn_dns_cache_entries{environment="office"} 5',
    'pvpn_dns_servers{environment="office",state="alive"} 1',
    'pvpn_dns_servers{environment="office",state="dead"} 1',
    'pvpn_dns_dropped_datagrams_total{environment="office",reason="late"} 1',
    'pvpn_process_start_time_seconds{environment="office"} 1767225600',
    'pvpn_process_resident_memory_bytes{environment="office"} 5',
    'pvpn_process_cpu_seconds_total{environment="office"} 1.5',
    'pvpn_process_event_loop_active_seconds_total{environment="office"} 2.5',
    'pvpn_process_event_loop_lag_seconds{environment="office"} 0.001',
    'pvpn_gateway_resident_memory_bytes 5',
    'pvpn_gateway_cpu_seconds_total 1.5',
    'pvpn_gateway_start_time_seconds 1767225600',
    'pvpn_config_reloads_total{result="failed"} 1',
    'pvpn_config_last_reload_successful 0',
    'pvpn_config_last_reload_success_timestamp_seconds 1767225601',
    'pvpn_policy_decisions_total{environment="office",result="allowed"} 30',
    'pvpn_policy_decisions_total{environment="",result="denied"} 4',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
})

t.test('names follow the conventions', async (t) => {
  const text = await metricsOf(new FakeGateway()).render()
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
  t.ok(types.length > 35)
  for (const [, name = '', type] of types) {
    t.match(name, /^pvpn(_[a-z]+)+$/)
    t.equal(name.endsWith('_total'), type === 'counter', `${name}: ${type}`)
    t.match(text, new RegExp(`^# HELP ${name} \\S+`, 'm'))
    if (type === 'histogram') t.match(name, /_seconds$/)
  }
  for (const { name, labels } of parseExposition(text)) {
    const known = ['environment', 'direction', 'le', 'reason', 'result', 'state', 'version']
    t.ok(
      Object.keys(labels).every((label) => known.includes(label)),
      name,
    )
  }
})

t.test('histograms are cumulative, in seconds, with sum and count', async (t) => {
  const series = await metricsOf(new FakeGateway()).series()
  const buckets = series.filter(
    ({ name, labels }) =>
      name === 'pvpn_tcp_round_trip_seconds_bucket' && labels.environment === 'office',
  )
  t.same(
    buckets.map(({ labels, value }) => [labels.le, value]),
    [
      ['0.001', 1],
      ['0.0025', 1],
      ['1', 5],
      ['+Inf', 7],
    ],
  )
  const office = { environment: 'office' }
  t.same(valuesOf(series, 'pvpn_tcp_round_trip_seconds_sum', office), [5.5])
  t.same(valuesOf(series, 'pvpn_tcp_round_trip_seconds_count', office), [7])
  t.same(valuesOf(series, 'pvpn_policy_decision_duration_seconds_count'), [35])
})

t.test('an environment that is gone, or has no process, leaves nothing behind', async (t) => {
  const gateway = new FakeGateway()
  const metrics = metricsOf(gateway)
  const before = await metrics.series()
  const [office] = await gateway.readings()
  gateway.readings = async () =>
    office === undefined ? [] : [{ ...office, figures: undefined as never }]
  const after = await metrics.series()
  t.ok(before.some(({ labels }) => labels.environment === 'site'))
  const names = new Set(
    after.filter(({ labels }) => labels.environment === 'site').map(({ name }) => name),
  )
  t.same([...names], ['pvpn_policy_decisions_total'], 'the policy still has it: its own affair')
  t.same(valuesOf(after, 'pvpn_tcp_round_trip_seconds_count'), [])
  t.same(valuesOf(after, 'pvpn_environment_restarts_total'), [6])
  gateway.readings = async () =>
    office === undefined ? [] : [{ ...office, figures: environmentFigures() }]
  t.same(valuesOf(await metrics.series(), 'pvpn_connections_total', { result: 'ok' }), [12])
})

t.test('what kind of tunnel it is decides what there is', async (t) => {
  const gateway = new FakeGateway()
  gateway.readings = async () => {
    const { packets: _, handshakes: __, tcp: ___, dns: ____, ...direct } = environmentFigures()
    const status = environmentStatus('home')
    const tunnel = { ...status.tunnel, lastHandshake: null }
    return [
      { status: { ...status, tunnel }, figures: direct as never, restarts: 0, standbyAnswers: 0 },
    ]
  }
  const names = new Set(
    (await metricsOf(gateway).series())
      .filter(({ labels }) => labels.environment === 'home')
      .map(({ name }) => name),
  )
  t.ok(names.has('pvpn_connections_total'))
  t.ok(names.has('pvpn_proxy_bytes_total'))
  t.notOk(
    [...names].some((name) => /_(tcp|dns|handshakes?|packets)_/.test(name)),
    [...names].join(),
  )
})
