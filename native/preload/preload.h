/** What the parts of the preload library share. See README.md for who holds which descriptor. */
#ifndef PVPN_PRELOAD_H
#define PVPN_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>

#include "protocol.h"

#define PVPN_EXPORT __attribute__((visibility("default")))
/** The C library's own function of that name (or the next library's), looked up once. */
#define PVPN_NEXT(name)                                         \
  ({                                                            \
    static __typeof__(&name) cached;                            \
    if (cached == NULL) cached = (__typeof__(&name))pvpn_next(#name); \
    cached;                                                     \
  })
void *pvpn_next(const char *name);

/* query.c */
struct pvpn_request {
  uint16_t kind;
  uint16_t flags;
  uint64_t id;
  uint32_t value;
  const void *data;
  uint32_t size;
  /** More bytes behind `data`; may be NULL. */
  const void *more;
  uint32_t moreSize;
  /** A descriptor to be sent along, or -1. */
  int descriptor;
  /** A signal ends the wait for the reply (EINTR). */
  bool interruptible;
  /** How long to wait for the reply (EAGAIN then); zeros: for ever. */
  struct timeval patience;
};

struct pvpn_reply {
  uint32_t value;
  /** Where the reply's bytes go, and how many fit there; what does not fit is left. */
  void *data;
  uint32_t room;
  /** Bytes stored. */
  uint32_t size;
};

/**
 * Asks the environment's process. 0, or the errno that it answered with; ENETDOWN when it is not there.
 * `reply` may be NULL. Takes no lock and no memory, keeps errno: may be called in a signal handler and after vfork.
 */
int pvpn_query(const struct pvpn_request *request, struct pvpn_reply *reply);
/** The socket's path, as the launcher gave it; NULL: this program was not started by it. */
const char *pvpn_path(void);
/** The value of LD_PRELOAD that has this library. */
const char *pvpn_preloads(void);
const char *pvpn_environment(void);

/* identity.c */
/** What a descriptor of ours is doing: kept in the kernel with the socket (as its SO_PRIORITY), so that it is known after exec. */
enum pvpn_mark {
  MARK_FRESH = 0,
  /** Datagrams without addresses; streams: connection asked for. */
  MARK_CONNECTED = 1,
  MARK_LISTENING = 2,
};

struct pvpn_socket {
  uint64_t id;
  /** SOCK_STREAM or SOCK_DGRAM. */
  int type;
  /** AF_INET or AF_INET6. */
  int domain;
};

/** Is this descriptor a socket of ours? Keeps errno. */
bool pvpn_identify(int fd, struct pvpn_socket *out);
enum pvpn_mark pvpn_marked(int fd);
void pvpn_mark(int fd, enum pvpn_mark mark);
/** A pair: the program's end is returned, `*other` gets the environment's. -1 with errno. `flags`: SOCK_NONBLOCK, SOCK_CLOEXEC. */
int pvpn_pair(struct pvpn_socket *socket, int flags, int *other);
/** A new socket, known to the environment. -1 with errno. */
int pvpn_open(struct pvpn_socket *socket, int flags);
bool pvpn_nonblocking(int fd);
/** Whether this process ever opened a datagram socket of ours, or was given one as a standard descriptor. */
bool pvpn_has_datagrams(void);
/** The same of streams. */
bool pvpn_has_streams(void);

/* address.c */
/** False: not of the socket's family, or too short; `*error` says which. */
bool pvpn_address_of(const struct pvpn_socket *socket, const struct sockaddr *address,
                     socklen_t size, struct pvpn_address *out, int *error);
/** As the socket's program expects it (IPv4 mapped on AF_INET6), cut to `*size`. */
void pvpn_store_address(const struct pvpn_socket *socket, const struct pvpn_address *address,
                        struct sockaddr *out, socklen_t *size);
/** 0 or an errno. */
int pvpn_state(const struct pvpn_socket *socket, uint16_t flags, struct pvpn_state *out);

/** Sets errno; -1. */
int pvpn_fail(int error);

#endif
