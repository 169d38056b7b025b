/** Bounds of the gateway. Times in milliseconds unless the name says otherwise. */

/** Heap of one environment's process, MiB (`--max-old-space-size`). Beyond: that process dies and is started again. */
export const ENVIRONMENT_HEAP_MIB = 512
/** Half of the young generation of that heap, MiB (`--max-semi-space-size`). Beyond: collected. */
export const ENVIRONMENT_YOUNG_MIB = 8
/** From fork until the process says it is ready. Beyond: it is killed and started again with back-off. */
export const BOOT_TIMEOUT = 60_000
/** From `start` until the process says that its listeners are bound. Beyond: killed, back-off. */
export const LISTEN_TIMEOUT = 30_000
/** Between two heartbeats of one process. */
export const HEARTBEAT_INTERVAL = 5_000
/** Heartbeats in a row without an answer. At the bound the process is taken for hung: killed, back-off. */
export const HEARTBEATS_MISSED = 3
/** A status query on demand waits this long for the process; then the last known status is shown. */
export const STATUS_TIMEOUT = 1_000
/** First wait before a crashed process is started again; it doubles with each crash. */
export const BACKOFF_FIRST = 250
/** Longest wait before a crashed process is started again. */
export const BACKOFF_MOST = 30_000
/** A process that ran this long starts the back-off anew when it crashes. */
export const STABLE_AFTER = 60_000
/** From `stop` until the process must have ended. Beyond: SIGKILL. */
export const STOP_GRACE = 3_000
/** From the signal to the end of the gateway, whatever hangs. Beyond: it ends, and its processes with it. */
export const GATEWAY_STOP_MOST = 4_500
/** Clients of one environment without a process that are being answered at once. Beyond: closed at once. */
export const STANDBY_CLIENTS = 256
/** A client of the standby listener gets this long to say its piece and take the answer. Then closed. */
export const STANDBY_LINGER = 5_000
/** Clients of the standby listener get this long to take their answer once the process serves the port. Then closed. */
export const STANDBY_RETIRE = 500
/** Clients waiting for one on-demand environment to come up. Beyond: answered at once that it is not up. */
export const ON_DEMAND_WAITING = 64
/** Sockets on their way to one environment's process. Beyond: answered by the gateway that it is not up. */
export const HANDOVER_PENDING = 2048
/** Between two tries to take a port that its last owner is about to let go of. */
export const PORT_RETRY = 25
/** How long a port is tried before it counts as taken by another program. */
export const PORT_PATIENCE = 1_500
/** How long a command waits for an environment to come up or to say why not, when asked to wait, at most. */
export const SETTLE_MOST = 60_000
/** Listeners of gateway events (server-sent event clients and our own). Beyond: refused. */
export const EVENT_LISTENERS = 64
/** Names of by-name requests that one environment's process is asked about at once for the policy. Beyond: the request fails (ERR_LIMIT). */
export const RESOLVING_MOST = 256
/** Failures of one environment as a whole (no tunnel, no process) that are remembered. Beyond: the oldest is forgotten. */
export const FAILURES_KEPT = 8
/** Decisions of the policy port that are remembered for `pvpn explain --last`. Beyond: the oldest is forgotten. */
export const DECISIONS_KEPT = 256
