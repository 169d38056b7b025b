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
