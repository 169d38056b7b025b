/**
 * One environment's metrics. The values of labels are names of environments and the code's own closed
 * sets: nothing that a program, a peer or a server says becomes one.
 */
import type { DnsFigures, EnvironmentFigures, TcpFigures } from '../core/figures.js'
import type { EnvironmentReading } from '../gateway/contract.js'
import type { MetricSet } from './metric-set.js'

const STATES = ['stopped', 'starting', 'up', 'down', 'failed'] as const
const EACH = ['environment'] as const
const DIRECTED = ['environment', 'direction'] as const
const REASONED = ['environment', 'reason'] as const
const RESULTING = ['environment', 'result'] as const

type Put = (reading: EnvironmentReading) => void

/** Makes the metrics; what comes back puts one environment's reading into them. */
export function environmentMetrics(set: MetricSet): Put {
  const puts = [stateMetrics(set), tunnelMetrics(set), figureMetrics(set)]
  return (reading) => {
    for (const put of puts) put(reading)
  }
}

function stateMetrics(set: MetricSet): Put {
  const state = set.gauge('pvpn_environment_state', '1 for the state it is in, else 0', [
    ...EACH,
    'state',
  ])
  const up = set.gauge('pvpn_environment_up', '1 when up, else 0', EACH)
  const restarts = set.counter(
    'pvpn_environment_restarts_total',
    'Times its process was started again after it ended by itself',
    EACH,
  )
  const standby = set.counter(
    'pvpn_standby_answers_total',
    'Clients that the gateway told that the environment is not there, while it had no process',
    EACH,
  )
  const connections = set.gauge('pvpn_connections', 'Open connections of programs', EACH)
  return ({ status, restarts: times, standbyAnswers }) => {
    const environment = status.name
    for (const s of STATES) state.set({ environment, state: s }, status.state === s ? 1 : 0)
    up.set({ environment }, status.state === 'up' ? 1 : 0)
    restarts.inc({ environment }, times)
    standby.inc({ environment }, standbyAnswers)
    connections.set({ environment }, status.connections)
  }
}

function tunnelMetrics(set: MetricSet): Put {
  const bytes = set.counter(
    'pvpn_tunnel_bytes_total',
    'Bytes from (in) and to (out) the far end of the tunnel; of one that carries packets, as they are on the wire; without a tunnel those of the programs',
    DIRECTED,
  )
  const handshake = set.gauge(
    'pvpn_last_handshake_timestamp_seconds',
    'When the tunnel last completed a handshake',
    EACH,
  )
  const handshakes = set.counter(
    'pvpn_tunnel_handshakes_total',
    'Handshakes, renewals of keys included; failed: attempts without a usable answer in time. Of a proxy as tunnel: looks whether it is there',
    RESULTING,
  )
  const packets = set.counter(
    'pvpn_tunnel_packets_total',
    'IP packets from (in) and into (out) the tunnel',
    DIRECTED,
  )
  const drops = set.counter(
    'pvpn_tunnel_dropped_packets_total',
    'Packets and datagrams that the tunnel dropped',
    REASONED,
  )
  return ({ status: { name: environment, tunnel }, figures }) => {
    bytes.inc({ environment, direction: 'in' }, tunnel.bytesIn)
    bytes.inc({ environment, direction: 'out' }, tunnel.bytesOut)
    if (tunnel.lastHandshake !== null) {
      handshake.set({ environment }, Date.parse(tunnel.lastHandshake) / 1000)
    }
    if (figures?.handshakes !== undefined) {
      const { completed, failed } = figures.handshakes
      handshakes.inc({ environment, result: 'completed' }, completed)
      handshakes.inc({ environment, result: 'failed' }, failed)
    }
    if (figures?.packets === undefined) return
    packets.inc({ environment, direction: 'in' }, figures.packets.in)
    packets.inc({ environment, direction: 'out' }, figures.packets.out)
    for (const [reason, n] of Object.entries(figures.packets.tunnelDrops)) {
      drops.inc({ environment, reason }, n)
    }
  }
}

function figureMetrics(set: MetricSet): Put {
  const drops = set.counter(
    'pvpn_stack_dropped_packets_total',
    'IP packets from the tunnel that the TCP/IP stack dropped',
    REASONED,
  )
  const puts = [programMetrics(set), processMetrics(set)]
  const tcp = tcpMetrics(set)
  const dns = dnsMetrics(set)
  return ({ status: { name: environment }, figures }) => {
    if (figures === undefined) return
    for (const put of puts) put(environment, figures)
    for (const [reason, n] of Object.entries(figures.packets?.stackDrops ?? {})) {
      drops.inc({ environment, reason }, n)
    }
    if (figures.tcp !== undefined) tcp(environment, figures.tcp)
    if (figures.dns !== undefined) dns(environment, figures.dns)
  }
}

function programMetrics(set: MetricSet) {
  const results = set.counter(
    'pvpn_connections_total',
    'Connections inside that programs asked for, by result: ok, or the code of the error that they got',
    RESULTING,
  )
  const bytes = set.counter(
    'pvpn_proxy_bytes_total',
    'Bytes to (in) and from (out) programs at the proxy ports',
    DIRECTED,
  )
  return (environment: string, figures: EnvironmentFigures) => {
    for (const [result, n] of Object.entries(figures.connections)) {
      results.inc({ environment, result }, n)
    }
    bytes.inc({ environment, direction: 'in' }, figures.toPrograms)
    bytes.inc({ environment, direction: 'out' }, figures.fromPrograms)
  }
}

function processMetrics(set: MetricSet) {
  const started = set.gauge(
    'pvpn_process_start_time_seconds',
    'When the process began, as Unix time; its counters began at 0 then',
    EACH,
  )
  const memory = set.gauge(
    'pvpn_process_resident_memory_bytes',
    'Memory of the environment’s process',
    EACH,
  )
  const cpu = set.counter(
    'pvpn_process_cpu_seconds_total',
    'CPU time of the environment’s process, all of its threads',
    EACH,
  )
  const active = set.counter(
    'pvpn_process_event_loop_active_seconds_total',
    'Time that the event loop was not idle; at 1 s per second the process can do no more',
    EACH,
  )
  const lag = set.gauge(
    'pvpn_process_event_loop_lag_seconds',
    'What work that was ready had to wait, at the reading before this one',
    EACH,
  )
  return (environment: string, { process }: EnvironmentFigures) => {
    started.set({ environment }, process.startedAt)
    memory.set({ environment }, process.memory)
    cpu.inc({ environment }, process.cpu)
    active.inc({ environment }, process.loopActive)
    lag.set({ environment }, process.loopLag)
  }
}

function tcpMetrics(set: MetricSet) {
  const open = set.gauge('pvpn_tcp_connections', 'TCP connections of the stack, now', EACH)
  const again = set.counter(
    'pvpn_tcp_retransmitted_segments_total',
    'TCP segments that were sent again',
    EACH,
  )
  const timeouts = set.counter(
    'pvpn_tcp_retransmission_timeouts_total',
    'Retransmission time-outs of TCP: nothing was heard for so long that sending begins anew',
    EACH,
  )
  const cookies = set.counter(
    'pvpn_tcp_syn_cookies_total',
    'SYN cookies of published ports under a flood: sent in place of a half-open connection; received back, which opens it; failed: ACKs that brought none back meanwhile',
    RESULTING,
  )
  const trips = set.histogram(
    'pvpn_tcp_round_trip_seconds',
    'Round trips inside, measured by TCP’s acknowledgments',
  )
  return (environment: string, tcp: TcpFigures) => {
    open.set({ environment }, tcp.open)
    again.inc({ environment }, tcp.retransmits)
    timeouts.inc({ environment }, tcp.timeouts)
    for (const [result, n] of Object.entries(tcp.cookies)) cookies.inc({ environment, result }, n)
    trips.set({ environment }, tcp.roundTrips)
  }
}

function dnsMetrics(set: MetricSet) {
  const queries = set.counter(
    'pvpn_dns_queries_total',
    'Questions to the environment’s DNS servers by how they ended',
    RESULTING,
  )
  const time = set.histogram(
    'pvpn_dns_query_duration_seconds',
    'Time until a DNS server’s answer; silent servers are counted in pvpn_dns_queries_total only',
  )
  const cache = set.counter(
    'pvpn_dns_cache_lookups_total',
    'Questions that the cache knew the answer to (hit) or not (miss)',
    RESULTING,
  )
  const entries = set.gauge('pvpn_dns_cache_entries', 'Answers in the cache, now', EACH)
  const refused = set.counter(
    'pvpn_dns_refused_total',
    'Questions that were turned away because too many were under way',
    EACH,
  )
  const drops = set.counter(
    'pvpn_dns_dropped_datagrams_total',
    'Datagrams that are no answer to a question that is open',
    REASONED,
  )
  const servers = set.gauge(
    'pvpn_dns_servers',
    'DNS servers that have been asked, by whether they answer now',
    [...EACH, 'state'],
  )
  return (environment: string, dns: DnsFigures) => {
    for (const [result, n] of Object.entries(dns.queries)) queries.inc({ environment, result }, n)
    time.set({ environment }, dns.latency)
    cache.inc({ environment, result: 'hit' }, dns.cacheHits)
    cache.inc({ environment, result: 'miss' }, dns.cacheMisses)
    entries.set({ environment }, dns.cacheEntries)
    refused.inc({ environment }, dns.refused)
    for (const [reason, n] of Object.entries(dns.drops)) drops.inc({ environment, reason }, n)
    servers.set({ environment, state: 'alive' }, dns.servers - dns.serversDead)
    servers.set({ environment, state: 'dead' }, dns.serversDead)
  }
}
