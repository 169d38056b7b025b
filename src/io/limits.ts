/** Bounds of the host's sockets and of the runtime folder. */

/** Bytes asked of the kernel for each direction of a UDP socket; it grants what net.core.[rw]mem_max allows (more with CAP_NET_ADMIN). What does not fit is lost there. */
export const KERNEL_BUFFER = 8 * 1024 * 1024

/** Datagrams handed over in one batch by the addon's UDP socket; the rest comes with the next. */
export const RECEIVE_SLOTS = 256
/** The same while something waits behind them. */
export const RECEIVE_SLOTS_SHORT = 64

/** Datagrams handed over in one batch by the plain UDP socket; a full batch goes up at once. */
export const PLAIN_RECEIVE_SLOTS = 64
/** The same, in bytes of the largest datagrams that the socket takes. */
export const PLAIN_RECEIVE_BYTES = 256 * 1024

/** Bytes that may wait in the process for a full kernel buffer before the sender is held back (plain UDP socket). */
export const SEND_QUEUE = 1024 * 1024

/** Bytes of one answer of the gateway that a command takes. Beyond: ERR_LIMIT. */
export const CONTROL_ANSWER_MOST = 16 * 1024 * 1024

/** Rounds of taking the gateway's lock while others start and end at the same moment. Beyond: refused. */
export const LOCK_TRIES = 16

/** Connections that wait in the kernel until a listener accepts them; more are refused there. */
export const LISTEN_BACKLOG = 1024

/** Bytes read from a host's socket ahead of its consumer; then the kernel's window closes. */
export const READ_AHEAD = 65_536

/** What happened on programs' connections that one wake-up of the addon hands on; the rest comes with the next. */
export const HUB_EVENTS = 256
/** Clients that one wake-up accepts on one listener; the others wait in the kernel. */
export const HUB_ACCEPTS = 64
/** Bytes read from one program before others get their turn. */
export const HUB_READ = 65_536
/** Bytes of one read below which they are copied into memory of their own: little data must not keep much alive. */
export const HUB_COPY = 16_384

/** Datagrams of ports handled one by one that leave by one system call; a full batch leaves at once, and what the kernel has no room for is lost. */
export const DATAGRAM_SEND_SLOTS = 64
/** The same, in bytes. */
export const DATAGRAM_SEND_BYTES = 256 * 1024

/** Milliseconds that one of the host's DNS servers gets for a raw question before the next is asked. */
export const HOST_DNS_TIMEOUT = 3_000

/** Milliseconds that one address of a name gets to accept before the host's next one is tried. */
export const HOST_ATTEMPT_DELAY = 250

/** IP packets read from a TUN device in one batch; the rest comes with the next. */
export const TUN_SLOTS = 64

/** Bytes of packets that wait in a tunnel's TCP connection; then its stack waits. */
export const CARRIER_QUEUE = 262_144

/** Packets of a tunnel's TCP connection handed on at once. */
export const CARRIER_RECEIVE_SLOTS = 64

/** Packets of a tunnel's TLS connection handed on at once. */
export const SECURE_RECEIVE_SLOTS = 64

/** Bytes read of a TLS connection at once. */
export const SECURE_READ = 65_536

/** Bytes of one message on a socket that carries descriptors, and bytes that may wait to be sent there. More is read as the next message; what would wait beyond is not sent. */
export const CHANNEL_MESSAGE = 4096
/** Descriptors of one message. Further ones are closed. */
export const CHANNEL_DESCRIPTORS = 8
/** Messages taken from one socket of messages before others get their turn. The rest comes with the next. */
export const MESSAGE_TURN = 64

/** Milliseconds between two looks whether the process is idle, at least. */
export const RELEASE_INTERVAL = 4_000
/** Milliseconds of CPU time used since memory was last given back; before that it is not worth doing again. */
export const RELEASE_AFTER = 100
/** Share of a process's CPU time that giving memory back may take. Beyond: not done. */
export const RELEASE_SHARE = 0.05
/** Share of the time that a process may compute and still count as idle. */
export const RELEASE_QUIET = 0.02
/** Bytes of a heap in use above which memory is left to V8: collecting all of it would hold the process up. */
export const RELEASE_HEAP_MOST = 134_217_728

/** Bytes of what a tunnel's program tells of its link; more ends it. */
export const PROGRAM_VARIABLES = 65_536
/** Bytes kept of what a tunnel's program has printed last; the rest is left out. */
export const PROGRAM_OUTPUT = 8_192
/** Packets of a tunnel's program handed on at once. */
export const PROGRAM_SLOTS = 64
/** Milliseconds until a program that was told to end is killed. */
export const PROGRAM_END = 3_000

/** Bytes of memory for data on its way that nobody uses at the moment and that are kept for what comes next. Beyond: collected. */
export const REUSED_MEMORY = 4_194_304

/** Bytes that a process which moves data keeps of what it freed, until it is idle. */
export const FREED_MEMORY_KEPT = 67_108_864
