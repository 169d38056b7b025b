/** Bounds of the environment's side of network namespaces. */

/** Connections of wrappers' holders to one environment. More are closed. */
export const MAX_HOLDERS = 16
/** Ports of the host's loopback that one namespace reaches. More are not opened. */
export const MAX_HOST_PORTS = 32
/** DNS questions of one namespace that wait for their answers. More are dropped. */
export const MAX_QUESTIONS = 1024
/** DNS connections of one namespace. More are reset. */
export const MAX_DNS_STREAMS = 256
/** DNS questions of one connection that wait for their answers. More are read when there is room. */
export const MAX_PIPELINED = 16
/** Packets that wait for the device within one turn; a full batch goes at once. */
export const NAMESPACE_SLOTS = 64
/** Connections of one namespace that are being opened through a tunnel without an IP layer. More wait for the program's repetition. */
export const MAX_OPENING = 1024
/** Connections of one namespace through a tunnel without an IP layer. More are refused. */
export const MAX_CARRIED = 4096
/** UDP senders of one namespace that a tunnel without an IP layer serves. Datagrams of more are dropped. */
export const MAX_SENDERS = 1024
/** Milliseconds after which a silent UDP sender's port is given back. */
export const SENDER_IDLE = 120_000
