/** `EnvironmentStatus` of a running environment: monotonic times become ISO 8601. */
import type { EnvironmentStatus } from '../core/environment.js'
import { errorReport } from '../core/errors.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { Clock, Millis } from '../core/types.js'

export interface ListenStatus {
  readonly proxy: readonly string[]
  readonly dns: readonly string[]
  readonly connections: number
  /** Bytes from and to programs: what an environment without a tunnel carries. */
  readonly fromPrograms: number
  readonly toPrograms: number
}

export function environmentStatus(
  environment: ManagedEnvironment,
  listen: ListenStatus,
  clock: Clock,
): EnvironmentStatus {
  const { tunnelStatus: tunnel, link, error } = environment
  const direct = tunnel.type === 'direct'
  const iso = (at: Millis | undefined) =>
    at === undefined ? null : new Date(Date.now() - (clock.now() - at)).toISOString()
  return {
    name: environment.name,
    state: environment.state,
    error: error === undefined ? null : errorReport(error),
    pid: process.pid,
    tunnel: {
      type: tunnel.type,
      endpoint: tunnel.endpoint ?? null,
      since: iso(environment.upSince),
      lastHandshake: iso(tunnel.lastHandshake),
      bytesIn: direct ? listen.toPrograms : tunnel.bytesIn,
      bytesOut: direct ? listen.fromPrograms : tunnel.bytesOut,
    },
    addresses: (link?.addresses ?? []).map((a) => a.replace(/\/.*/, '')),
    mtu: link?.mtu ?? null,
    dns: { servers: [...environment.dns.servers], search: [...environment.dns.search] },
    listen: { proxy: [...listen.proxy], dns: [...listen.dns] },
    connections: listen.connections,
  }
}
