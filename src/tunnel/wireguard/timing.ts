/** Times and counts of the protocol. In milliseconds and packets; names are those of section 6.1 of the paper. */

/** Age at which the initiator of a session makes a new one. */
export const REKEY_AFTER_TIME = 120_000
/** Age at which a session is used no more. */
export const REJECT_AFTER_TIME = 180_000
/** Handshakes are tried so long at the interval REKEY_TIMEOUT. */
export const REKEY_ATTEMPT_TIME = 90_000
/** From an unanswered initiation to the next, before jitter. */
export const REKEY_TIMEOUT = 5_000
/** Random share added to times at which both ends might start a handshake. */
export const REKEY_TIMEOUT_JITTER = 333
/** After receiving data with nothing to send: a keepalive. */
export const KEEPALIVE_TIMEOUT = 10_000
/** After sending data with nothing received: a new handshake. */
export const SILENCE_TIMEOUT = KEEPALIVE_TIMEOUT + REKEY_TIMEOUT
/** Without a new session for so long, keys are wiped. */
export const WIPE_AFTER_TIME = 3 * REJECT_AFTER_TIME
/** Age at which an initiator that only receives makes a new session. */
export const REKEY_ON_RECEIVE_TIME = REJECT_AFTER_TIME - KEEPALIVE_TIMEOUT - REKEY_TIMEOUT
/** The paper has 2^60 and 2^64 - 2^13 - 1; counters here are doubles, exact up to 2^53. */
export const REKEY_AFTER_MESSAGES = 2 ** 48
export const REJECT_AFTER_MESSAGES = 2 ** 52
/** A cookie, and the secret it is made of, lasts so long. */
export const COOKIE_LIFETIME = 120_000

/** Ours (decision 0030): between handshakes once REKEY_ATTEMPT_TIME has passed; with jitter under 10 s. */
export const SLOW_RETRY_TIMEOUT = 9_500
/** Ours: handshakes have failed for so long when the peer counts as down. */
export const DOWN_AFTER_TIME = 15_000
/** Ours: an unanswered question for the endpoint's addresses is asked again after so long. */
export const RESOLVE_TIMEOUT = 15_000
