/**
 * Messages between the gateway and an environment's process, over the IPC channel of `fork`.
 * Both sides drop what they do not know. When the channel closes the environment's process exits.
 * Keys and passwords travel only here, never in arguments or environment variables (Uint8Arrays
 * survive because the fork uses `serialization: 'advanced'`).
 *
 *   gateway                    environment's process
 *      fork ───────────────────────► loads its modules
 *      ◄──────────────────── ready
 *   lets go of the ports, start ───► binds its listeners
 *      ◄──────────────── listening
 *      ◄──────────────────── state   (again and again; `failed` may ask something)
 *   answer ────────────────────────► the tunnel goes on with it
 *   status ────────────────────────► also the heartbeat: unanswered for 15 s means hung, and SIGKILL
 *      ◄─────────────────── status
 *   stop ──────────────────────────► closes its listeners first, ends, exits 0
 *
 * A terminal's Ctrl-C and hang-up reach the whole process group: the environment's process ignores
 * SIGINT and SIGHUP, the gateway tells it what to do. It writes nothing to stdout; stderr is its log.
 */
import type { EnvironmentActivity } from './activity.js'
import type { HandedConnection } from './admission.js'
import type { EnvironmentState, EnvironmentStatus } from './environment.js'
import type { ErrorReport } from './errors.js'
import type { EnvironmentFigures } from './figures.js'
import type { LogLevel } from './log.js'
import type { EnvironmentOptions } from './options.js'
import type { Answers, Question } from './question.js'

export type ToEnvironment =
  /**
   * First message, once, in answer to `ready`. The process binds its listeners, starts the tunnel and
   * reports `state`. With `start: on-demand` the gateway keeps the proxy ports, `options.listen` is
   * empty and every client comes by `connection`.
   */
  | { readonly kind: 'start'; readonly options: EnvironmentOptions; readonly logLevel: LogLevel }
  /** Close everything and exit 0 within the grace period. */
  | { readonly kind: 'stop' }
  /** Answer with a `status` of the same id. */
  | { readonly kind: 'status'; readonly id: number }
  /**
   * Sent with a socket: a connection accepted by the gateway for this environment. Half-close must be
   * set again on the socket.
   */
  | ({ readonly kind: 'connection' } & HandedConnection)
  /** Which addresses has the name inside? Answer with an `addresses` of the same id. */
  | { readonly kind: 'resolve'; readonly id: number; readonly host: string }
  /** What a person said to the questions of the last `state`. */
  | { readonly kind: 'answer'; readonly answers: Answers }
  /** Somebody looks: answer with an `activity` of the same id. */
  | { readonly kind: 'activity'; readonly id: number }
  /** Metrics are read: answer with `figures` of the same id. */
  | { readonly kind: 'figures'; readonly id: number }

export type FromEnvironment =
  /** First message: modules are loaded, `start` will be acted on at once (the ports are unowned until then). */
  | { readonly kind: 'ready' }
  /** The listeners are bound (or not: `error`), before the tunnel is tried. */
  | {
      readonly kind: 'listening'
      readonly error?: { readonly code: string; readonly message: string }
    }
  /** On every change of state or of its error. */
  | {
      readonly kind: 'state'
      readonly state: EnvironmentState
      readonly error: ErrorReport | null
      /** What a person would have to say for it to go on. */
      readonly asks?: readonly Question[]
    }
  /** No addresses and no error: there is no such name. */
  | {
      readonly kind: 'addresses'
      readonly id: number
      readonly addresses: readonly string[]
      readonly error?: { readonly code: string; readonly message: string }
    }
  | { readonly kind: 'activity'; readonly id: number; readonly activity: EnvironmentActivity }
  | { readonly kind: 'figures'; readonly id: number; readonly figures: EnvironmentFigures }
  | { readonly kind: 'status'; readonly id: number; readonly status: EnvironmentStatus }
