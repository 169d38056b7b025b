/** Bounds of the listeners, on top of what sockets and streams bound themselves. */

/** Open client connections of one listener; more are reset at once. */
export const MAX_CONNECTIONS = 8192

/** Milliseconds from a connection's first byte wanted (or a kept-alive request's first byte) to its head complete; then it is closed (HTTP: 408). */
export const HEAD_TIMEOUT = 30_000

/** Milliseconds that an HTTP connection may wait for its next request; then it is closed. */
export const IDLE_TIMEOUT = 120_000

/** Milliseconds that a refused client gets to read the refusal and close; then it is reset. */
export const LINGER_TIMEOUT = 5_000

/** Bytes kept that a client sent behind its request while the target is being dialled; then it is no longer read. */
export const MAX_PIPELINED_BYTES = 65_536

/** Bytes of the head of an HTTP request or answer, target and all fields; larger ones get 431 (answers: 502). */
export const MAX_HTTP_HEAD = 65_536

/** Fields of an HTTP head; a request with more gets 431. */
export const MAX_HTTP_FIELDS = 256

/** HTTP requests sent ahead of their turn on one connection; more close it. */
export const MAX_PIPELINED_REQUESTS = 64

/** Milliseconds that an HTTP answer may stand still once its client has ended its direction; then the client is taken for gone, and reset. */
export const HALF_CLOSED_TIMEOUT = 30_000

/** Milliseconds that SOCKS BIND waits for the connection from inside; then it answers TTL expired. */
export const BIND_TIMEOUT = 120_000

/** The times above as one object, so that a listener can be given others. */
export interface ListenerTimeouts {
  readonly head: number
  readonly idle: number
  readonly linger: number
  readonly halfClosed: number
  readonly bind: number
}

export const LISTENER_TIMEOUTS: ListenerTimeouts = {
  head: HEAD_TIMEOUT,
  idle: IDLE_TIMEOUT,
  linger: LINGER_TIMEOUT,
  halfClosed: HALF_CLOSED_TIMEOUT,
  bind: BIND_TIMEOUT,
}
