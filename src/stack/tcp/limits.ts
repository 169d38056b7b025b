/** Named bounds of TCP: what happens at each stands in its comment (docs/limits.md). */

const KIB = 1024
const MIB = 1024 * KIB

/** Connections of one stack that are not in TIME-WAIT. At the bound connect fails with ERR_LIMIT and SYNs, and ACKs of SYN cookies, are dropped. */
export const CONNECTIONS = 32_768
/** Listeners of one stack. At the bound listen fails with ERR_LIMIT. */
export const LISTENERS = 1024
/** Connections in TIME-WAIT. At the bound the oldest is forgotten. */
export const TIME_WAITS = 16_384
/** Half-open connections of all listeners together. At the bound a SYN takes the place of its listener's oldest, or is answered by a SYN cookie where that is younger than HALF_OPEN_LEAST. */
export const HALF_OPEN = 4096
/** Default for half-open connections of one listener (its `backlog`). At the bound a SYN takes the place of the oldest, or is answered by a SYN cookie where that is younger than HALF_OPEN_LEAST. */
export const BACKLOG = 2048
/** Milliseconds that a half-open connection keeps its place for sure: three SYN-ACKs have left by then. */
export const HALF_OPEN_LEAST = 3000
/** Milliseconds after which no SYN cookie is good any more (at least half of it each is), nor is any taken when no SYN found the listener full for so long. */
export const SYN_COOKIE_LIFE = 60_000
/** Connections by SYN cookies in half a life whose cookie opens no second one. At the bound further cookies could be replayed once theirs have closed. */
export const SYN_COOKIES_SPENT = 16_384
/** Segments that wait without a connection (resets, SYN cookies, answers out of TIME-WAIT). At the bound further ones are not sent. */
export const REPLIES = 1024

/** Receive buffer of a new connection in bytes; grows with what is read per round trip. At the bound the window closes. */
export const RECEIVE_BUFFER_INITIAL = 256 * KIB
/** Largest receive buffer in bytes. At the bound the window closes. */
export const RECEIVE_BUFFER = 8 * MIB
/** Received bytes held for all connections together. From three quarters on windows open to a small share only and what exceeds it is dropped; at the bound all that needs memory is dropped. */
export const RECEIVE_TOTAL = 256 * MIB
/** Bytes each connection may hold while memory is short; less where the last quarter of the total does not suffice for all. */
export const RECEIVE_SHARE = 32 * KIB
/** Bytes (the kernel's overhead included) that may stand in the host's UDP socket before windows shrink. */
export const PRESSURE_TARGET = 128 * KIB
/** Milliseconds over which the least of that counts, or two round trips where they are longer. */
export const PRESSURE_INTERVAL = 10
/** Bytes that each connection may be sent ahead however much stands there. */
export const PRESSURE_CAP_LEAST = 16 * KIB
/** Gaps in what has arrived of one connection. At the bound segments that would open another are dropped. */
export const OUT_OF_ORDER_RANGES = 1024
/** Ranges behind gaps whose last change is remembered until the sender was told. At the bound the oldest is told of no more. */
export const SACK_RECENT = 32
/** Largest piece of memory for received data in bytes. */
export const RECEIVE_CHUNK = 256 * KIB

/** Send buffer of a connection in bytes while its congestion window is small. At the bound write takes less than given. */
export const SEND_BUFFER_INITIAL = 256 * KIB
/** Largest send buffer in bytes (three times the congestion window below that). At the bound write takes less than given. */
export const SEND_BUFFER = 8 * MIB
/** Bytes to send held for all connections together. From three quarters on each connection gets SEND_SHARE; at the bound writes take nothing until there is room. */
export const SEND_TOTAL = 256 * MIB
/** Bytes each connection may have written while memory is short; less where the last quarter of the total does not suffice for all. */
export const SEND_SHARE = 32 * KIB
/** Segments of one connection in flight. At the bound nothing new is sent until one is acknowledged. */
export const SENT_SEGMENTS = 16_384

/** Retransmissions of a SYN before ERR_TIMEOUT (1, 2, 4 … s: 127 s in all). */
export const SYN_RETRIES = 6
/** Retransmissions of a SYN-ACK before the half-open connection is dropped. */
export const SYN_ACK_RETRIES = 5
/** Milliseconds without progress before ERR_TIMEOUT (RFC 9293 section 3.8.3: R2 at least 100 s). */
export const RETRANSMISSION_TIME = 120_000
/** Far sides whose last handshake's time is remembered. At the bound the oldest is forgotten. */
export const KNOWN_TRIPS = 512
/** Milliseconds until a connection whose large segments were swallowed tries them again. */
export const PATH_PROBE_TIME = 600_000
/** SYNs resent at once because the far side still remembered an old connection, per connection; then time-outs decide. */
export const SYN_QUICK_RETRIES = 3

/** Milliseconds between challenge ACKs of one connection (RFC 5961 section 7). In between they are not sent. */
export const CHALLENGE_ACK_INTERVAL = 100
