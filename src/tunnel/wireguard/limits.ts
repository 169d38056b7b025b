/** Bounds of the WireGuard machine. Everything that a peer, a stranger or the stack can make grow ends here. */

/** Packets kept per peer while there is no session; then the oldest goes. */
export const WG_WAITING_PACKETS = 128
/** Handshake and cookie messages waiting to be sent; one more is not sent (its sender tries again). */
export const WG_OUTGOING_MESSAGES = 64
/** Handshake messages with a good mac1 taken per second; above that, for the next second too, their senders must prove their address by a cookie (paper section 5.3). */
export const WG_HANDSHAKES_PER_SECOND = 100
/** Handshake messages per second taken under load from one address that has proved itself; more are dropped. */
export const WG_HANDSHAKES_PER_ADDRESS = 20
/** Addresses counted for that per second; messages from further ones are dropped. */
export const WG_LOAD_ADDRESSES = 1024
/** Milliseconds between initiations accepted from one peer; earlier ones are dropped. */
export const WG_INITIATION_INTERVAL = 20
/** Packets by which one may be late behind the newest of its session; older ones are dropped as possible replays (RFC 6479). */
export const WG_REPLAY_WINDOW = 8192
/** Addresses tried of those that an endpoint's name has; the rest is ignored. */
export const WG_ENDPOINT_ADDRESSES = 16
/** Sessions per peer kept behind the current one, only to open packets still under way; then the oldest is wiped. */
export const WG_RETIRED_SESSIONS = 3
/** Events kept for the driver; then the oldest goes. */
export const WG_EVENTS = 256
