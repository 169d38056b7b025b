/** The client's times, in milliseconds. */

/** A name that has no answer after this counts as one that does not resolve. */
export const RESOLVE_TIMEOUT = 15_000

/** For TCP and TLS to one address. */
export const CONNECT_TIMEOUT = 15_000

/** For one HTTP answer. A server may wait for a person who confirms on a telephone. */
export const ANSWER_TIMEOUT = 90_000

/** For the whole way from the first request to the tunnel. */
export const SETUP_TIMEOUT = 240_000

/** Wait before the next attempt: doubles each time … */
export const RETRY_FIRST = 1000
/** … up to this. */
export const RETRY_LONGEST = 60_000

/** A tunnel that was up for this long begins its waits anew. */
export const SETTLED = 60_000

/** Silence until a probe, unless the server wants one earlier … */
export const PROBE_AFTER = 30_000
/** … and no earlier than this, whatever the server says. */
export const PROBE_LEAST = 2000

/** After a new tunnel that did not come about, the next try. */
export const REKEY_RETRY = 30_000
/** No new tunnel earlier than this after the last, whatever the server says. */
export const REKEY_LEAST = 5000

/** How long the connection that was replaced goes on receiving. */
export const DRAIN_TIME = 5000

/** A server may end the old connection before it answers for the new one; the environment stays up for so long. */
export const CHANGE_TIME = 3000

/** The installed openconnect has begun a line and says no more: it waits for an answer. */
export const PROMPT_QUIET = 200
