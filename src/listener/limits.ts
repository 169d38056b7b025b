/** Bounds of the listeners, on top of what sockets and streams bound themselves. */

/** Open client connections of one listener; more are reset at once. */
export const MAX_CONNECTIONS = 16_384

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

/** Milliseconds that one address of a name gets, where the policy decided by addresses, before the next is tried beside it. */
export const DIAL_ATTEMPT_DELAY = 250

/** SOCKS5 UDP associations of one listener; more are answered with a general failure. */
export const MAX_ASSOCIATIONS = 1024

/** Names that one UDP association remembers the addresses of; the oldest is forgotten for a new one. */
export const MAX_ASSOCIATION_NAMES = 64

/** Milliseconds for which such an address is used before the resolver is asked again. */
export const ASSOCIATION_NAME_AGE = 30_000

/** Datagrams kept while their name is looked up or their port is opened, for each name or session; more are dropped. */
export const MAX_WAITING_DATAGRAMS = 16

/** Senders that one UDP forward or published UDP port talks with at once; datagrams of more are dropped. */
export const MAX_UDP_SESSIONS = 1024

/** Milliseconds without a datagram either way after which such a session is forgotten. */
export const UDP_SESSION_IDLE = 120_000

/** Connections of one TCP forward or published TCP port; more are reset. */
export const MAX_FORWARD_CONNECTIONS = 4096

/** Milliseconds for a local service behind a published port to accept; then the far side is reset. */
export const PUBLISH_CONNECT_TIMEOUT = 10_000

/** Questions of one DNS listener that wait for an answer; more are dropped (UDP) or not read (TCP). */
export const MAX_DNS_QUESTIONS = 1024

/** TCP connections of one DNS listener; more are reset. */
export const MAX_DNS_CONNECTIONS = 256

/** Questions of one TCP connection under way at once; further ones are not read meanwhile. */
export const MAX_DNS_PIPELINED = 32

/** Milliseconds without a byte either way after which a DNS client's TCP connection is closed. */
export const DNS_IDLE_TIMEOUT = 30_000

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
