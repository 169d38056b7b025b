/** Prometheus metrics of all environments, read from the gateway when they are asked for. */
import { Counter, Gauge, Registry } from 'prom-client'
import type { Gateway } from '../gateway/contract.js'

const STATES = ['stopped', 'starting', 'up', 'down', 'failed'] as const

export interface Metrics {
  readonly contentType: string
  /** The exposition text. Askers at the same time share one reading. */
  render(): Promise<string>
}

export function gatewayMetrics(gateway: Gateway, version: string): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const each = ['environment'] as const
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name, help, labelNames, registers })
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames, registers })

  gauge('pvpn_build_info', 'Always 1; the version is a label', ['version']).set({ version }, 1)
  const state = gauge('pvpn_environment_state', '1 for the state it is in', [...each, 'state'])
  const up = gauge('pvpn_environment_up', '1 when up', each)
  const connections = gauge('pvpn_connections', 'Open connections of programs', each)
  const handshake = gauge(
    'pvpn_last_handshake_timestamp_seconds',
    'When the tunnel last completed a handshake',
    each,
  )
  const memory = gauge('pvpn_process_resident_memory_bytes', 'Memory of the process', each)
  const bytes = counter('pvpn_tunnel_bytes_total', 'Bytes through the tunnel', [
    ...each,
    'direction',
  ])
  const packets = counter('pvpn_tunnel_packets_total', 'Packets through the tunnel', [
    ...each,
    'direction',
  ])
  const drops = counter('pvpn_tunnel_dropped_packets_total', 'Packets dropped', [...each, 'reason'])
  const cpu = counter('pvpn_process_cpu_seconds_total', 'CPU time of the process', each)
  const restarts = counter('pvpn_environment_restarts_total', 'Restarts after a crash', each)
  const ownMemory = gauge('pvpn_gateway_resident_memory_bytes', 'Memory of the gateway', [])
  const ownCpu = counter('pvpn_gateway_cpu_seconds_total', 'CPU time of the gateway', [])
  const perEnvironment = [state, up, connections, handshake, memory]
  const cumulative = [bytes, packets, drops, cpu, restarts, ownCpu]

  const read = async () => {
    const readings = await gateway.readings()
    // Environments that a reload removed leave no series behind.
    for (const metric of [...perEnvironment, ...cumulative]) metric.reset()
    for (const { status, figures, restarts: times } of readings) {
      const environment = status.name
      for (const s of STATES) state.set({ environment, state: s }, status.state === s ? 1 : 0)
      up.set({ environment }, status.state === 'up' ? 1 : 0)
      connections.set({ environment }, status.connections)
      if (status.tunnel.lastHandshake !== null) {
        handshake.set({ environment }, Date.parse(status.tunnel.lastHandshake) / 1000)
      }
      bytes.inc({ environment, direction: 'in' }, status.tunnel.bytesIn)
      bytes.inc({ environment, direction: 'out' }, status.tunnel.bytesOut)
      restarts.inc({ environment }, times)
      if (figures === undefined) continue
      memory.set({ environment }, figures.memory)
      cpu.inc({ environment }, figures.cpu)
      packets.inc({ environment, direction: 'in' }, figures.packetsIn)
      packets.inc({ environment, direction: 'out' }, figures.packetsOut)
      for (const [reason, n] of Object.entries(figures.drops)) drops.inc({ environment, reason }, n)
    }
    const { user, system } = process.cpuUsage()
    ownMemory.set(process.memoryUsage.rss())
    ownCpu.inc((user + system) / 1e6)
    return registry.metrics()
  }

  let reading: Promise<string> | undefined
  return {
    contentType: registry.contentType,
    render() {
      reading ??= read().finally(() => {
        reading = undefined
      })
      return reading
    },
  }
}
