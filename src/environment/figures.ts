/** The resolver's counters in the form that metrics want. */
import type { DnsFigures } from '../core/figures.js'
import { LATENCY_BUCKETS, type ResolverStats } from '../dns/stats.js'

export function dnsFigures(stats: ResolverStats): DnsFigures {
  const { queries, drops, latency, latencySum, servers } = stats
  return {
    queries,
    drops,
    latency: { bounds: LATENCY_BUCKETS, counts: latency, sum: latencySum },
    cacheHits: stats.cacheHits,
    cacheMisses: stats.cacheMisses,
    cacheEntries: stats.cacheEntries,
    refused: stats.refused,
    servers: servers.length,
    serversDead: servers.filter(({ dead }) => dead).length,
  }
}
