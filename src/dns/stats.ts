/** Counters of one resolver, for metrics. */
import type { Endpoint, Millis } from '../core/types.js'

/** How questions to servers ended. */
export type QueryResult =
  | 'answer' // NOERROR
  | 'nxdomain'
  | 'servfail'
  | 'refused'
  | 'malformed'
  | 'unreachable' // an ICMP error, a connection that failed
  | 'silent'
  | 'other' // another rcode, a referral, an answer truncated over TCP

/** Why a datagram was dropped without effect on the query. */
export type DropReason = 'late' | 'source' | 'short' | 'id' | 'response' | 'question'

/** Upper bounds in ms of the latency buckets; one more bucket holds the rest. */
export const LATENCY_BUCKETS: readonly Millis[] = [
  5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000,
]

export interface ResolverStats {
  /** Attempts at servers by how they ended; one question may take several. */
  readonly queries: Readonly<Record<QueryResult, number>>
  /** Counts of answered attempts per bucket of LATENCY_BUCKETS (not cumulative), the last one for what is above. */
  readonly latency: readonly number[]
  /** Milliseconds of all answered attempts. */
  readonly latencySum: number
  readonly cacheHits: number
  readonly cacheMisses: number
  readonly cacheEntries: number
  readonly cacheBytes: number
  /** Questions that joined one already under way. */
  readonly coalesced: number
  readonly drops: Readonly<Record<DropReason, number>>
  /** Look-ups and raw queries turned away at a bound. */
  readonly refused: number
  readonly servers: readonly { readonly server: Endpoint; readonly dead: boolean }[]
}

export class Counters {
  readonly queries: Record<QueryResult, number> = {
    answer: 0,
    nxdomain: 0,
    servfail: 0,
    refused: 0,
    malformed: 0,
    unreachable: 0,
    silent: 0,
    other: 0,
  }
  readonly drops: Record<DropReason, number> = {
    late: 0,
    source: 0,
    short: 0,
    id: 0,
    response: 0,
    question: 0,
  }
  readonly latency: number[] = new Array<number>(LATENCY_BUCKETS.length + 1).fill(0)
  latencySum = 0
  cacheHits = 0
  cacheMisses = 0
  coalesced = 0
  refused = 0

  answered(after: Millis): void {
    const at = LATENCY_BUCKETS.findIndex((bound) => after <= bound)
    const bucket = at < 0 ? LATENCY_BUCKETS.length : at
    this.latency[bucket] = (this.latency[bucket] ?? 0) + 1
    this.latencySum += after
  }
}
