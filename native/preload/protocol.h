/**
 * Questions of a program to the process of its environment, beside its sockets: one short connection to
 * the Unix stream socket that PVPN_VIRTUAL names, one request, one reply. src/wrap/virtual/protocol.ts
 * has the same in TypeScript. All numbers are little-endian; both ends are one machine's.
 *
 *   request: struct pvpn_request_header, then `length` bytes; descriptors beside the first byte (SCM_RIGHTS)
 *   reply:   struct pvpn_reply_header, then `length` bytes
 *
 * What the program holds as a socket is one end of a Unix pair (stream for TCP, seqpacket for UDP) whose
 * other end went to the environment's process with PVPN_OPEN. The other end has a name, which getpeername
 * tells to whoever has the program's end after any fork, exec or dup: "\0pvpn:" KIND FAMILY ID, with KIND
 * s (stream) or d (datagrams), FAMILY 4 or 6, and ID as 16 hexadecimal digits.
 *
 * A datagram on the pair has a struct pvpn_address in front (the far end's) until the socket is connected;
 * from then on it is bare. An empty one says: ask for the state.
 */
#ifndef PVPN_PROTOCOL_H
#define PVPN_PROTOCOL_H

#include <stdint.h>

#define PVPN_VARIABLE "PVPN_VIRTUAL"
#define PVPN_MAGIC 0x314e5650u
/** The most bytes behind a request's or reply's header. */
#define PVPN_MOST_DATA (65536 + 64)
/** What fills a stream while its connection is being opened, so that it cannot be written to. */
#define PVPN_FILLING 65536u

enum pvpn_kind {
  /** A new socket; the other end comes as descriptor. `id`, `value`: 4 or 6, + 256 for datagrams. */
  PVPN_OPEN = 1,
  /**
   * data: address. Without PVPN_NONBLOCKING the reply comes when it is connected or refused; with it at
   * once (EINPROGRESS), the program then sends PVPN_FILLING bytes, which are taken when it is connected.
   * Datagrams: later ones are bare; a marker (family PVPN_MARKER) is sent in the old way first, `value` 1 of the reply says so.
   */
  PVPN_CONNECT = 2,
  /** Reply: struct pvpn_state. PVPN_CLEAR forgets the error that it tells. */
  PVPN_STATE = 3,
  /** data: address. */
  PVPN_BIND = 4,
  /** `value`: backlog. From then on each byte to be read is a connection to be accepted. */
  PVPN_LISTEN = 5,
  /** After such a byte was read; `value` = 0. data: the new socket's id (8 bytes), whose other end is the descriptor. Reply: struct pvpn_state of it. */
  PVPN_ACCEPT = 6,
  /** One datagram. data: address, then its bytes. A family of 0: to where it is connected. */
  PVPN_SEND = 7,
  /** Forgets the far end of a socket for datagrams; a marker is sent as for PVPN_CONNECT. */
  PVPN_DISCONNECT = 8,
  /** Reply: addresses (struct pvpn_address) of the environment; `value`: its MTU. */
  PVPN_INTERFACES = 9,
  /** data: level, name (4 bytes each), the option's bytes: remembered. */
  PVPN_SET_OPTION = 10,
  /** data: level, name. Reply: the bytes; ENOPROTOOPT when it was never set. */
  PVPN_GET_OPTION = 11,
  /** The launcher's: 0 when the environment is up, ENETDOWN when not. */
  PVPN_READY = 12,
  /** The launcher's: `value` is a port of the host's 127.0.0.1 that programs reach as their own. */
  PVPN_HOST_PORT = 13,
  /** From here on: names. */
  PVPN_NAMES = 32,
};

enum pvpn_flag {
  PVPN_NONBLOCKING = 1,
  PVPN_CLEAR = 2,
};

#define PVPN_MARKER 0xffffu

struct pvpn_request_header {
  uint32_t magic;
  uint16_t kind;
  uint16_t flags;
  uint64_t id;
  uint32_t value;
  uint32_t length;
};

struct pvpn_reply_header {
  uint32_t magic;
  /** An errno of Linux, or 0. */
  uint32_t error;
  uint32_t value;
  uint32_t length;
};

/** An end of a connection, or a datagram's. */
struct pvpn_address {
  /** 4, 6, or 0: none. */
  uint16_t family;
  /** In the machine's order. */
  uint16_t port;
  uint32_t scope;
  /** In the network's order; an IPv4 address takes the first four. */
  uint8_t bytes[16];
};

enum pvpn_phase {
  PVPN_FRESH = 0,
  PVPN_CONNECTING = 1,
  PVPN_CONNECTED = 2,
  PVPN_LISTENING = 3,
  PVPN_OVER = 4,
};

struct pvpn_state {
  uint32_t phase;
  /** What SO_ERROR tells. */
  uint32_t error;
  struct pvpn_address local;
  struct pvpn_address remote;
};

#endif
