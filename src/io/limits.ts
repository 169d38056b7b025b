/** Bounds of the host's sockets and of the runtime folder. */

/** Bytes asked of the kernel for each direction of a UDP socket; it grants what net.core.[rw]mem_max allows (more with CAP_NET_ADMIN). What does not fit is lost there. */
export const KERNEL_BUFFER = 8 * 1024 * 1024

/** Datagrams handed over in one batch by the addon's UDP socket; the rest comes with the next. */
export const RECEIVE_SLOTS = 256

/** Datagrams handed over in one batch by the plain UDP socket; a full batch goes up at once. */
export const PLAIN_RECEIVE_SLOTS = 64

/** Bytes that may wait in the process for a full kernel buffer before the sender is held back (plain UDP socket). */
export const SEND_QUEUE = 1024 * 1024

/** Bytes of one answer of the gateway that a command takes. Beyond: ERR_LIMIT. */
export const CONTROL_ANSWER_MOST = 16 * 1024 * 1024

/** Rounds of taking the gateway's lock while others start and end at the same moment. Beyond: refused. */
export const LOCK_TRIES = 16
