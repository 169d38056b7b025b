/** Status of an environment as the gateway shows it, with or without an answer of its process. */
import type { EnvironmentState, EnvironmentStatus } from '../core/environment.js'
import { formatHostPort } from '../core/ip.js'
import { formatListenAddress } from '../core/listen-address.js'
import type { EnvironmentOptions } from '../core/options.js'
import type { Question } from '../core/question.js'
import { relaxations } from '../core/relaxations.js'
import type { StatusError } from './contract.js'

/** What the options alone tell. */
export function statusWithoutProcess(
  options: EnvironmentOptions,
  pid: number | undefined,
): EnvironmentStatus {
  return {
    name: options.name,
    state: 'stopped',
    error: null,
    pid: pid ?? null,
    tunnel: {
      type: options.tunnel.type,
      endpoint: configuredEndpoint(options),
      since: null,
      lastHandshake: null,
      bytesIn: 0,
      bytesOut: 0,
    },
    addresses: [],
    mtu: null,
    dns: {
      servers: (options.dns.servers ?? []).map((server) => server.address),
      search: [...(options.dns.search ?? [])],
    },
    listen: {
      proxy: options.listen.map(formatListenAddress),
      dns: options.dns.listen.map(formatListenAddress),
    },
    connections: 0,
  }
}

/** What the gateway knows better than the process. */
export interface Shown {
  readonly state: EnvironmentState
  readonly error: StatusError | null
  readonly asks: readonly Question[]
  /** Of `asks`, when there are any. */
  readonly asksId: string
}

/** The gateway's own view of state and error on top; an on-demand environment's ports are the gateway's. */
export function withError(
  status: EnvironmentStatus,
  options: EnvironmentOptions,
  { state, error, asks, asksId }: Shown,
): EnvironmentStatus {
  const proxy =
    options.start === 'on-demand' ? options.listen.map(formatListenAddress) : status.listen.proxy
  const { asks: _, asksId: __, ...rest } = status
  const relaxed = relaxations(options.tunnel)
  return {
    ...rest,
    state,
    error,
    ...(asks.length === 0 ? {} : { asks, asksId }),
    ...(relaxed.length === 0 ? {} : { relaxed }),
    listen: { proxy, dns: status.listen.dns },
  }
}

function configuredEndpoint(options: EnvironmentOptions): string | null {
  const { tunnel } = options
  if (tunnel.type !== 'wireguard') return null
  const endpoint = tunnel.peers.find((peer) => peer.endpoint !== undefined)?.endpoint
  return endpoint === undefined ? null : formatHostPort(endpoint.host, endpoint.port)
}
