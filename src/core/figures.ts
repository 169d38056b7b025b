/**
 * What metrics need beyond the status. Everything is cumulative since the process began, unless it
 * says "now". Keys of records are closed sets of the code: never a name, host or user.
 */
import { ERROR_CODES, type ErrorCode } from './errors.js'
import type { HistogramFigures } from './histogram.js'

export type Outcome = 'ok' | ErrorCode

/** How programs' connections ended up: opened, or refused with what. */
export class OutcomeCounts {
  readonly counts: Record<Outcome, number> = {
    ok: 0,
    ...(Object.fromEntries(ERROR_CODES.map((code) => [code, 0])) as Record<ErrorCode, number>),
  }

  readonly add = (outcome: Outcome): void => {
    this.counts[outcome]++
  }
}

export type Counts = Readonly<Record<string, number>>

/** Of any process, the gateway's too. */
export interface ProcessFigures {
  /** Unix time in seconds. */
  readonly startedAt: number
  /** Resident memory now, bytes. */
  readonly memory: number
  /** User and system time, seconds. */
  readonly cpu: number
  /** Time that the event loop was not idle, seconds. */
  readonly loopActive: number
  /** What work that was ready had to wait when it was last measured, seconds. */
  readonly loopLag: number
}

/** SYN cookies that answered SYNs a listener had no place for, ACKs that brought one back, and ACKs that brought none while some were on their way. */
export interface CookieFigures {
  readonly sent: number
  readonly received: number
  readonly failed: number
}

export interface TcpFigures {
  /** Now. */
  readonly open: number
  /** Segments sent again, and time-outs that had to come first. */
  readonly retransmits: number
  readonly timeouts: number
  readonly cookies: CookieFigures
  /** Milliseconds, one per acknowledgment that measures. */
  readonly roundTrips: HistogramFigures
}

export interface DnsFigures {
  /** Questions to servers by how they ended. */
  readonly queries: Counts
  /** Milliseconds of those that were answered. */
  readonly latency: HistogramFigures
  readonly cacheHits: number
  readonly cacheMisses: number
  /** Now. */
  readonly cacheEntries: number
  /** Turned away at a bound. */
  readonly refused: number
  /** Datagrams without effect, by reason. */
  readonly drops: Counts
  /** Now: servers in use, and those of them that do not answer. */
  readonly servers: number
  readonly serversDead: number
}

export interface HandshakeFigures {
  readonly completed: number
  /** Attempts without a usable answer in time. */
  readonly failed: number
}

/** What the kind of tunnel has: the rest is absent. */
export interface NetworkFigures {
  readonly packets?: {
    readonly in: number
    readonly out: number
    /** Dropped by the tunnel, and by the stack, by reason. */
    readonly tunnelDrops: Counts
    readonly stackDrops: Counts
  }
  readonly handshakes?: HandshakeFigures
  readonly tcp?: TcpFigures
  readonly dns?: DnsFigures
}

export interface EnvironmentFigures extends NetworkFigures {
  readonly process: ProcessFigures
  readonly connections: Readonly<Record<Outcome, number>>
  /** Bytes from and to the programs at the proxy ports, protocol heads included. */
  readonly fromPrograms: number
  readonly toPrograms: number
}
