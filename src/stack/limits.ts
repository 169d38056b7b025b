/** Named bounds of the stack's IP part (docs/limits.md); TCP has its own in tcp/limits.ts. */

/** Datagrams being put together. At the bound the oldest is given up. */
export const REASSEMBLY_DATAGRAMS = 64
/** Bytes held for them all together. At the bound the oldest is given up. */
export const REASSEMBLY_BYTES = 4 * 1024 * 1024
/** Fragments of one datagram. At the bound the datagram is given up. */
export const REASSEMBLY_FRAGMENTS = 128
/** Milliseconds for all fragments of a datagram to arrive; then it is given up (Linux: 30 s). */
export const REASSEMBLY_TIME = 30_000

/** Destinations with a path MTU of their own. At the bound the oldest is forgotten. */
export const PATH_MTUS = 1024
/** Milliseconds after which a path MTU is forgotten and the link's is tried again (RFC 8201 section 4). */
export const PATH_MTU_TIME = 600_000
/** Smallest path MTU believed over IPv4, in bytes; smaller claims are taken as this (Linux: 552). */
export const PATH_MTU_FLOOR_4 = 552

/** UDP ports open at the same time. At the bound bindUdp throws ERR_LIMIT. */
export const UDP_PORTS = 16_384
/** UDP packets that wait to be sent, of all ports together. At the bound send returns false. */
export const UDP_SEND_PACKETS = 2048
/** The same, in bytes. */
export const UDP_SEND_BYTES = 4 * 1024 * 1024
/** Datagrams of one cycle that wait for `notify`. At the bound further ones are dropped. */
export const UDP_RECEIVE_PENDING = 1024
/** Part of a cycle's packets that one port gets while more is received than there is time for, but `UDP_LIGHT_DATAGRAMS` at least. Further ones are dropped. */
export const UDP_PRESSED_SHARE = 0.125

/** ICMP messages that wait to be sent. At the bound further ones are dropped. */
export const ICMP_SEND_PACKETS = 256
/** The same, in bytes. */
export const ICMP_SEND_BYTES = 512 * 1024
/** Echo replies per second; more requests are not answered. */
export const ECHO_REPLIES = 1000
/** ICMP errors sent per second; more are not sent (RFC 4443 section 2.4 f). */
export const ICMP_ERRORS = 100
/** Pings of our own under way. At the bound `ping` answers ERR_LIMIT. */
export const PINGS = 1024

/** Datagrams of one port that may go before those of ports that send more, until all such are sent. */
export const UDP_LIGHT_DATAGRAMS = 4
/** Packets of such datagrams that wait to be sent. At the bound send returns false. */
export const UDP_LIGHT_PACKETS = 512
/** Packets of UDP that go out before TCP gets its turn within one batch. */
export const UDP_TURN = 16

/** Packets that a connection or port may send and be sent in one span and still count as a light one. */
export const FLOW_LIGHT_PACKETS = 32
/** Milliseconds of such a span. */
export const FLOW_SPAN = 100
/** Milliseconds that a connection or port counts as a heavy one after it carried more. */
export const FLOW_HEAVY_TIME = 1_000
/** Milliseconds that turns stay short after a light one, or a heavy one, carried something. */
export const FLOW_MIX_TIME = 200
