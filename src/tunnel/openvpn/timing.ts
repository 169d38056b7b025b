/** The client's times, in milliseconds. */

/** First wait for an acknowledgement (`tls-timeout`); each further one is twice as long … */
export const RETRANSMIT_FIRST = 2000
/** … up to this. A handshake is over before longer ones matter. */
export const RETRANSMIT_LONGEST = 15_000

/** A remote that says nothing at all for this long is left for the next, unless the file says `server-poll-timeout`. */
export const FIRST_ANSWER_TIMEOUT = 10_000

/** From the first answer to keys (`hand-window`). */
export const HANDSHAKE_TIMEOUT = 60_000

/** From keys to PUSH_REPLY; a server that defers the password check may take long. */
export const PUSH_TIMEOUT = 60_000
/** Servers from 2.6 on push unasked, at once; the others are asked after this … */
export const PUSH_REQUEST_FIRST = 1000
/** … and again. */
export const PUSH_REQUEST_INTERVAL = 5000

/** A name that does not resolve is asked for again with the next round; no answer at all counts as none after this. */
export const RESOLVE_TIMEOUT = 15_000

/** Wait between two remotes, and between two rounds (`connect-retry`): doubles each round. */
export const RETRY_FIRST = 1000
export const RETRY_LONGEST = 60_000

/** Until a push says otherwise: silence for this long restarts a connection. */
export const DEFAULT_PING_RESTART = 120_000

/** How long the old key decrypts after a renegotiation (`tran-window`). */
export const TRANSITION_WINDOW = 3_600_000
/** The new key encrypts when the peer has used it, or this long after it was agreed. */
export const SWITCH_DELAY = 5000

/** Until the server has acknowledged that we leave, where it is told by the control channel; then we are gone anyway … */
export const EXIT_TIMEOUT = 1000
/** … and it is told again after this, each time twice as long. */
export const EXIT_RETRANSMIT = 250

/** New keys (`reneg-sec`), unless file or push say otherwise. */
export const RENEGOTIATE_AFTER = 3_600_000
/** After a renegotiation that failed, the next try. */
export const RENEGOTIATE_RETRY = 60_000
