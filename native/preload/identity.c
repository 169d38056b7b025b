#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "preload.h"

#define PREFIX "pvpn:"
#define DIGITS 16
/** Bytes of a name: the 0, the prefix, kind, family, digits. */
#define NAME_SIZE (1 + sizeof PREFIX - 1 + 2 + DIGITS)
/** What the program's end buffers for sending: PVPN_FILLING is more than a quarter of it, so that it is not writable then. */
#define SEND_BUFFER 106496

/** Set once, never cleared; inherited over fork with the sockets themselves. */
static struct {
  bool datagrams;
  bool streams;
} seen;

static void note(int type) {
  __atomic_store_n(type == SOCK_DGRAM ? &seen.datagrams : &seen.streams, true, __ATOMIC_RELAXED);
}

__attribute__((constructor)) static void lookAtStandard(void) {
  struct pvpn_socket socket;
  for (int fd = 0; fd < 3; fd++) {
    if (pvpn_identify(fd, &socket)) note(socket.type);
  }
}

bool pvpn_has_datagrams(void) { return __atomic_load_n(&seen.datagrams, __ATOMIC_RELAXED); }
bool pvpn_has_streams(void) { return __atomic_load_n(&seen.streams, __ATOMIC_RELAXED); }

int pvpn_fail(int error) {
  errno = error;
  return -1;
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool pvpn_identify(int fd, struct pvpn_socket *out) {
  struct sockaddr_un name;
  socklen_t size = sizeof name;
  const int before = errno;
  const long got = syscall(SYS_getpeername, fd, &name, &size);
  errno = before;
  if (got != 0 || name.sun_family != AF_UNIX ||
      size != offsetof(struct sockaddr_un, sun_path) + NAME_SIZE || name.sun_path[0] != 0 ||
      memcmp(name.sun_path + 1, PREFIX, sizeof PREFIX - 1) != 0) {
    return false;
  }
  const char *at = name.sun_path + sizeof PREFIX;
  if ((at[0] != 's' && at[0] != 'd') || (at[1] != '4' && at[1] != '6')) return false;
  out->type = at[0] == 's' ? SOCK_STREAM : SOCK_DGRAM;
  out->domain = at[1] == '4' ? AF_INET : AF_INET6;
  out->id = 0;
  for (size_t i = 0; i < DIGITS; i++) {
    const int value = digit(at[2 + i]);
    if (value < 0) return false;
    out->id = out->id << 4 | (uint64_t)value;
  }
  return true;
}

enum pvpn_mark pvpn_marked(int fd) {
  const int before = errno;
  int mark = 0;
  socklen_t size = sizeof mark;
  if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PRIORITY, &mark, &size) != 0) mark = 0;
  errno = before;
  return (enum pvpn_mark)mark;
}

void pvpn_mark(int fd, enum pvpn_mark mark) {
  const int before = errno;
  const int value = (int)mark;
  syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_PRIORITY, &value, sizeof value);
  errno = before;
}

bool pvpn_nonblocking(int fd) {
  const long flags = syscall(SYS_fcntl, fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

static bool nameEnd(int fd, struct pvpn_socket *socket) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  if (syscall(SYS_getrandom, &socket->id, sizeof socket->id, 0) != sizeof socket->id) return false;
  static const char kDigits[] = "0123456789abcdef";
  char *at = name.sun_path + 1;
  memcpy(at, PREFIX, sizeof PREFIX - 1);
  at += sizeof PREFIX - 1;
  *at++ = socket->type == SOCK_STREAM ? 's' : 'd';
  *at++ = socket->domain == AF_INET ? '4' : '6';
  for (int i = DIGITS - 1; i >= 0; i--) *at++ = kDigits[socket->id >> (4 * i) & 15];
  return syscall(SYS_bind, fd, &name, offsetof(struct sockaddr_un, sun_path) + NAME_SIZE) == 0;
}

int pvpn_pair(struct pvpn_socket *socket, int flags, int *other) {
  int both[2];
  // Datagrams keep their borders in a sequence of packets too, whose end can be noticed.
  const int type = socket->type == SOCK_STREAM ? SOCK_STREAM : SOCK_SEQPACKET;
  if (syscall(SYS_socketpair, AF_UNIX, type | SOCK_CLOEXEC | flags, 0, both) != 0) return -1;
  const int room = SEND_BUFFER;
  syscall(SYS_setsockopt, both[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  if (!nameEnd(both[1], socket)) {
    const int error = errno;
    syscall(SYS_close, both[0]);
    syscall(SYS_close, both[1]);
    return pvpn_fail(error);
  }
  // The pair was made close-on-exec as a whole: the program's end is what the program asked for.
  if ((flags & SOCK_CLOEXEC) == 0) syscall(SYS_fcntl, both[0], F_SETFD, 0);
  note(socket->type);
  *other = both[1];
  return both[0];
}

int pvpn_open(struct pvpn_socket *socket, int flags) {
  int other;
  const int fd = pvpn_pair(socket, flags, &other);
  if (fd < 0) return -1;
  const struct pvpn_request request = {
      .kind = PVPN_OPEN,
      .id = socket->id,
      .value = (socket->domain == AF_INET ? 4u : 6u) + (socket->type == SOCK_DGRAM ? 256u : 0u),
      .descriptor = other};
  const int error = pvpn_query(&request, NULL);
  syscall(SYS_close, other);
  if (error == 0) return fd;
  syscall(SYS_close, fd);
  return pvpn_fail(error);
}
