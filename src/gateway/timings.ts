/** The bounds in time that tests shorten. */
import {
  BACKOFF_FIRST,
  BACKOFF_MOST,
  BOOT_TIMEOUT,
  HEARTBEAT_INTERVAL,
  HEARTBEATS_MISSED,
  LISTEN_TIMEOUT,
  STABLE_AFTER,
  STANDBY_LINGER,
  STOP_GRACE,
} from './limits.js'

export interface Timings {
  readonly bootTimeout: number
  readonly listenTimeout: number
  readonly heartbeatInterval: number
  readonly heartbeatsMissed: number
  readonly backoffFirst: number
  readonly backoffMost: number
  readonly stableAfter: number
  readonly stopGrace: number
  readonly standbyLinger: number
}

/** As in limits.ts. */
export const DEFAULT_TIMINGS: Timings = {
  bootTimeout: BOOT_TIMEOUT,
  listenTimeout: LISTEN_TIMEOUT,
  heartbeatInterval: HEARTBEAT_INTERVAL,
  heartbeatsMissed: HEARTBEATS_MISSED,
  backoffFirst: BACKOFF_FIRST,
  backoffMost: BACKOFF_MOST,
  stableAfter: STABLE_AFTER,
  stopGrace: STOP_GRACE,
  standbyLinger: STANDBY_LINGER,
}
