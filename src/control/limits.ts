/** Bounds of the control port and socket. Times in milliseconds, sizes in bytes. */

/** Connections of each server (port, socket) at once. Beyond: closed at once. */
export const CONTROL_CONNECTIONS = 128
/** A request's head. Beyond: 431. */
export const HEAD_MOST = 8 * 1024
/** A request's body. Beyond: 413. */
export const BODY_MOST = 16 * 1024
/** From connection to the end of a request's head. Beyond: 408. */
export const HEAD_TIMEOUT = 5_000
/** From connection to the end of a request. Beyond: 408. */
export const REQUEST_TIMEOUT = 10_000
/** Between requests of one connection. Then closed. */
export const KEEP_ALIVE_TIMEOUT = 5_000
/** How often the time-outs of head and request are looked after. */
export const TIMEOUT_CHECK = 5_000
/** Clients of `/api/v1/events` at once. Beyond: 503. */
export const EVENT_CLIENTS = 32
/** Bytes that wait for one slow client of `/api/v1/events`. Beyond: disconnected (it asks anew and gets the present state). */
export const EVENT_BUFFER = 256 * 1024
/** A comment on a quiet event stream, so that dead clients are noticed. */
export const EVENT_COMMENT_INTERVAL = 20_000
/** How often a live event stream tells the status. While nobody looks, nobody is asked. */
export const LIVE_INTERVAL = 1_000
/** How often it tells the activity of the environment that a client looks into. */
export const ACTIVITY_INTERVAL = 2_000
/** How long a browser keeps the dashboard's cookie, seconds. It is good until the gateway's next start anyway. */
export const COOKIE_AGE = 2_592_000
/** Characters of a question's name in an answer. Beyond: 400. */
export const FIELD_MOST = 256
/** Longest `wait` of a request, seconds. */
export const WAIT_MOST = 60
