/** The gateway as control API, commands and tests see it. */
import type { Socket } from 'node:net'
import type { EnvironmentActivity } from '../core/activity.js'
import type { HandedConnection } from '../core/admission.js'
import type { EnvironmentState, EnvironmentStatus } from '../core/environment.js'
import type { ErrorReport } from '../core/errors.js'
import type { EnvironmentFigures, ProcessFigures } from '../core/figures.js'
import type { HistogramFigures } from '../core/histogram.js'
import type { EnvironmentOptions, GatewayOptions } from '../core/options.js'
import type { Answers } from '../core/question.js'
import type { Explanation } from '../policy/explain.js'

export type StatusError = ErrorReport

/** What `pvpn status --json` prints. */
export interface GatewayStatus {
  readonly version: string
  readonly pid: number
  /** `address:port` of the control port; null when it is off. */
  readonly control: string | null
  /** `address:port` of the policy port; null when there is none. */
  readonly policy: string | null
  readonly environments: readonly EnvironmentStatus[]
}

/** What a reload did, by environment name. */
export interface ReloadReport {
  /** False: the new configuration can't be used, everything runs on as before. */
  readonly ok: boolean
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
  readonly started: readonly string[]
  readonly restarted: readonly string[]
  /** New options, but it does not run: stopped by a person, or waiting for its first connection. */
  readonly changed: readonly string[]
  readonly stopped: readonly string[]
  readonly unchanged: readonly string[]
}

export type GatewayEvent =
  | {
      readonly kind: 'state'
      readonly environment: string
      readonly state: EnvironmentState
      readonly error: StatusError | null
      /** Its proxy ports. */
      readonly listen: readonly string[]
      /** A person's answers are needed (`pvpn start` asks). */
      readonly asks?: true
    }
  | { readonly kind: 'reload'; readonly report: ReloadReport }

/** Numbers of one environment for metrics. */
export interface EnvironmentReading {
  readonly status: EnvironmentStatus
  /** Absent while there is no process or it has not answered yet. */
  readonly figures: EnvironmentFigures | undefined
  /** Times its process was started again after a crash. */
  readonly restarts: number
  /** Clients that the gateway told that the environment is not there, while it had no process. */
  readonly standbyAnswers: number
}

/** Counters of the gateway itself, since it began. */
export interface GatewayFigures {
  readonly process: ProcessFigures
  readonly reloads: { readonly succeeded: number; readonly failed: number }
  /** Unix time in seconds since which the present configuration is used. */
  readonly configuredAt: number
  /** Could the configuration be used when it was read last? */
  readonly configurationGood: boolean
}

export type Action = 'start' | 'stop' | 'restart'

/** Answers, and of which questions. */
export interface Said {
  readonly asksId: string
  readonly answers: Answers
}

export interface Gateway {
  readonly names: readonly string[]
  status(): Promise<GatewayStatus>
  readings(): Promise<readonly EnvironmentReading[]>
  readonly figures: GatewayFigures
  environment(name: string): Promise<EnvironmentStatus | undefined>
  /** What goes on in it just now, and what failed last. Undefined: no such environment. */
  activity(name: string): Promise<EnvironmentActivity | undefined>
  /** Undefined: no such environment. Waits up to `wait` ms until it is up or says why not (`stop` always waits for the end). */
  act(name: string, action: Action, wait: number): Promise<EnvironmentStatus | undefined>
  /**
   * What a person said to the questions of an environment (`asks` and `asksId` of its status). Undefined:
   * no such environment; `stale`: these questions are not asked any more, and the answers were dropped.
   * Waits as `act`.
   */
  answer(name: string, said: Said, wait: number): Promise<EnvironmentStatus | 'stale' | undefined>
  reload(): Promise<ReloadReport>
  /** Is every environment up that should be? One that waits for its first connection or was stopped does not count. */
  readonly ready: boolean
  /** Undefined when too many listen already; otherwise a function that ends it. */
  listen(listener: (event: GatewayEvent) => void): (() => void) | undefined
}

/** The configuration as read anew; `options` is absent when there are problems. */
export interface LoadedConfiguration {
  readonly options?: GatewayOptions
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

/**
 * Answers a client whose environment has no process, truthfully and at once (SOCKS5 03, HTTP 503),
 * and closes. The socket is paused, and unread but for what `handed` has; the gateway ends it after
 * STANDBY_LINGER.
 */
export type StandbyAnswer = (
  socket: Socket,
  options: EnvironmentOptions,
  error: StatusError,
  handed?: HandedConnection,
) => void

/** Both are known only as far as a rule wanted to know. */
export interface PolicyDecision extends Explanation {
  /** ISO 8601. */
  readonly at: string
  /** Milliseconds that the decision took. */
  readonly took: number
  /** `address:port`; empty for a Unix socket. */
  readonly client: string
  readonly program: string | null
  readonly user: string | null
}

/** What the policy port decided since the gateway began. */
export interface PolicyFigures {
  /** Let in, by environment: those that are configured, all of them. */
  readonly allowed: Readonly<Record<string, number>>
  readonly denied: number
  /** An environment that had to be asked could not tell. */
  readonly undecided: number
  /** Milliseconds that decisions took. */
  readonly took: HistogramFigures
}

export interface PolicyQuestion {
  readonly host: string
  readonly port: number
  readonly program?: string | undefined
  readonly user?: string | undefined
}

/** The policy as control API and commands see it. */
export interface Policy {
  /** Undefined: there is no policy. Rejects with the PvpnError of an environment that had to be asked. */
  explain(question: PolicyQuestion): Promise<Explanation | undefined>
  /** The newest first. */
  readonly recent: readonly PolicyDecision[]
  readonly figures: PolicyFigures
  /** The proxy auto-configuration file for whoever asks on this connection, and its entity tag. */
  pac(reader: Socket): { readonly text: string; readonly etag: string }
}
