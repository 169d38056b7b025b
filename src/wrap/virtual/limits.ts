/** Bounds of virtual sockets: programs that reach the environment by the preload library. */

/** Questions of programs that wait for their answers, of one environment. More are closed: the program sees the network down. */
export const MAX_QUERIES = 4096
/** Bytes behind a question's header. A longer one is closed. */
export const MAX_QUERY_DATA = 65_536 + 64
/** Milliseconds that a program has to say its whole question. Then it is closed. */
export const QUERY_TIMEOUT = 5_000
/** Virtual sockets of one environment. More are refused (ENFILE). */
export const MAX_VIRTUAL_SOCKETS = 8192
/** Sockets that ended while their programs may still ask why. The oldest are forgotten. */
export const MAX_ENDED = 4096
/** Connections that wait to be accepted on one virtual listener; its program's backlog may be less. More are reset. */
export const MAX_BACKLOG = 512
/** Options remembered for one virtual socket. More are refused (ENOBUFS). */
export const MAX_OPTIONS = 64
/** Bytes of one remembered option. A longer one is refused (EINVAL). */
export const MAX_OPTION_BYTES = 256
/** Bytes that wait for their reader on a connection within the environment's loopback. Then the writer waits. */
export const PAIR_BYTES = 262_144
/** Datagrams that wait while a port is being opened for them. More are dropped. */
export const MAX_WAITING_DATAGRAMS = 32
/** Addresses told of one name. More are left out. */
export const MAX_FOUND = 64
/** Names told of one address. More are left out. */
export const MAX_NAMES = 4
/** Bytes of one name that is told, with its end. A longer one is cut. */
export const MAX_NAME_BYTES = 256
