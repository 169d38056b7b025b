/** Datagrams or packets moved in one turn of the packet path; more waits for the next turn of the event loop. */
export const BATCH_CAPACITY = 64

/** Batches sent in one turn before other work of the process gets its chance. */
export const BATCHES_PER_TURN = 4
/** The same while connections that carry little are used beside ones that carry much. */
export const BATCHES_PER_SHORT_TURN = 1

/** Smallest room for a packet in a batch, in bytes: a datagram of an Ethernet path fits whatever the tunnel's MTU. */
export const MINIMUM_PACKET_SIZE = 1536

/** Raw DNS questions that a direct environment has open at the host's servers; more are answered SERVFAIL. */
export const MAX_DIRECT_EXCHANGES = 256

/** Addresses of a name tried for one connection; the rest is left out. */
export const DIAL_ADDRESSES = 16

/** Milliseconds between two looks whether the server of a stream tunnel answers. */
export const STREAM_CHECK_INTERVAL = 30_000

/** Milliseconds before a server that did not answer is tried again, doubled each time. */
export const STREAM_RETRY_FIRST = 500
/** The longest of these waits, in milliseconds. */
export const STREAM_RETRY_MOST = 30_000
/** Milliseconds after a failed try before a program's wish brings the next one about. */
export const STREAM_RETRY_ASKED = 1_000

/** Connections through one stream tunnel that are open or being opened; more are refused with ERR_LIMIT. */
export const MAX_TUNNEL_STREAMS = 4096

/** Connections of other environments that go through one; more are closed. */
export const MAX_CARRIED = 4096

/** Bytes of datagrams for another environment's tunnel that wait for its process; more are lost. */
export const CARRY_QUEUE = 1_048_576

/** Milliseconds before an environment that carried nothing is asked again to carry a tunnel. */
export const CARRY_RETRY = 1_000
