/**
 * Messages between the gateway and an environment's process, over the IPC channel of `fork`.
 * Both sides drop what they do not know. When the channel closes the environment's process exits.
 * Keys and passwords travel only here, never in arguments or environment variables (Uint8Arrays
 * survive because the fork uses `serialization: 'advanced'`).
 */
import type { EnvironmentState, EnvironmentStatus } from './environment.js'
import type { LogLevel } from './log.js'
import type { EnvironmentOptions } from './options.js'

export type ToEnvironment =
  /** First message, once. The process binds its listeners, starts the tunnel and reports `state`. */
  | { readonly kind: 'start'; readonly options: EnvironmentOptions; readonly logLevel: LogLevel }
  /** Close everything and exit 0 within the grace period. */
  | { readonly kind: 'stop' }
  /** Answer with a `status` of the same id. */
  | { readonly kind: 'status'; readonly id: number }
  /**
   * Sent with a socket: a connection accepted by the gateway for this environment. `head` is what was
   * read from it already (undefined: nothing was read). Half-close must be set again on the socket.
   */
  | {
      readonly kind: 'connection'
      readonly listener: string
      readonly head: Uint8Array | undefined
    }

export type FromEnvironment =
  /** The listeners are bound (or not: `error`), before the tunnel is tried. */
  | {
      readonly kind: 'listening'
      readonly error?: { readonly code: string; readonly message: string }
    }
  /** On every change of state or of its error. */
  | {
      readonly kind: 'state'
      readonly state: EnvironmentState
      readonly error: { readonly code: string; readonly message: string } | null
    }
  | { readonly kind: 'status'; readonly id: number; readonly status: EnvironmentStatus }
