/**
 * What is known of each DNS server: how fast it answers, and whether it is dead. A server is dead
 * when a query to it has waited its time and nothing at all has come from it since that query was
 * sent. It is then passed over for a while; after that a query is sent to it beside the one that
 * counts, so that finding out costs nobody a wait.
 */
import { formatHostPort, formatIp, parseIp } from '../core/ip.js'
import type { Endpoint, Millis } from '../core/types.js'
import {
  DNS_DEAD_MAX,
  DNS_DEAD_MIN,
  DNS_SERVERS,
  DNS_TCP_WAIT,
  DNS_WAIT_MAX,
  DNS_WAIT_MIN,
} from './limits.js'

export interface Server {
  readonly endpoint: Endpoint
  /** Smoothed round-trip time and its variation in ms (as RFC 6298 section 2); undefined before the first answer. */
  rtt: { smooth: Millis; variation: Millis } | undefined
  dead: boolean
  /** When a dead server is to be probed again. */
  probeAt: Millis
  /** How long it is passed over when it falls silent next, in ms. */
  penalty: Millis
  lastAnswer: Millis
}

export interface Plan {
  /** To be asked at once, together. */
  readonly first: readonly Server[]
  /** To be asked one after the other when those do not answer. */
  readonly rest: readonly Server[]
  /** To be asked at once too, but not waited for. */
  readonly probes: readonly Server[]
}

export class ServerTable {
  readonly #servers = new Map<string, Server>()

  /** The states of these servers, made when new; at most DNS_SERVERS, without repetition. Not IP literals: left out. */
  take(endpoints: readonly Endpoint[]): readonly Server[] {
    const out = new Set<Server>()
    for (const { address, port } of endpoints) {
      const ip = parseIp(address)
      if (ip === undefined || out.size === DNS_SERVERS) continue
      const endpoint = { address: formatIp(ip), port }
      const key = formatHostPort(endpoint.address, port)
      const server = this.#servers.get(key) ?? {
        endpoint,
        rtt: undefined,
        dead: false,
        probeAt: 0,
        penalty: DNS_DEAD_MIN,
        lastAnswer: Number.NEGATIVE_INFINITY,
      }
      this.#servers.set(key, server)
      out.add(server)
    }
    return [...out]
  }

  /** Forgets every server (before a new configuration). */
  clear(): void {
    this.#servers.clear()
  }

  all(): Iterable<Server> {
    return this.#servers.values()
  }

  /** In which order these servers are asked. When none is known to live, all of them at once. */
  plan(servers: readonly Server[], now: Millis): Plan {
    const living = servers.filter((server) => !server.dead)
    const [first, ...rest] = living
    if (first === undefined) return { first: servers, rest: [], probes: [] }
    const dead = servers.filter((server) => server.dead)
    const probes = dead.filter((server) => server.probeAt <= now)
    for (const server of probes) postpone(server, now)
    return { first: [first], rest: [...rest, ...dead], probes }
  }

  /** How long to wait for an answer before the next server is asked, in ms. */
  wait(server: Server, transport: 'udp' | 'tcp', round: number): Millis {
    if (transport === 'tcp') return DNS_TCP_WAIT
    const usual =
      server.rtt === undefined ? DNS_WAIT_MAX : server.rtt.smooth + 4 * server.rtt.variation
    return Math.min(Math.max(usual, DNS_WAIT_MIN), DNS_WAIT_MAX) * 2 ** round
  }

  /** Something that only the server can have sent came back, `sample` ms after the datagram that asked for it. */
  answered(server: Server, sample: Millis | undefined, now: Millis): void {
    const { rtt } = server
    if (sample !== undefined && rtt === undefined) {
      server.rtt = { smooth: sample, variation: sample / 2 }
    } else if (sample !== undefined && rtt !== undefined) {
      rtt.variation += (Math.abs(rtt.smooth - sample) - rtt.variation) / 4
      rtt.smooth += (sample - rtt.smooth) / 8
    }
    server.dead = false
    server.penalty = DNS_DEAD_MIN
    server.lastAnswer = now
  }

  /** A query's time has passed, or the network said that the server can't be reached. */
  silent(server: Server, sentAt: Millis, now: Millis): void {
    if (server.dead || server.lastAnswer >= sentAt) return
    server.dead = true
    postpone(server, now)
  }
}

function postpone(server: Server, now: Millis): void {
  server.probeAt = now + server.penalty
  server.penalty = Math.min(server.penalty * 2, DNS_DEAD_MAX)
}
