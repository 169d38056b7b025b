/** Bounds of the tunnels through upstream proxies. */

/** Bytes of the head of an HTTP proxy's answer to CONNECT; a longer one is given up as broken. */
export const MAX_CONNECT_HEAD = 16_384
