#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload.h"

PVPN_EXPORT int bind(int fd, const struct sockaddr *address, socklen_t size) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(bind)(fd, address, size);
  struct pvpn_address at;
  int error;
  if (!pvpn_address_of(&socket, address, size, &at, &error)) return pvpn_fail(error);
  const struct pvpn_request request = {
      .kind = PVPN_BIND, .id = socket.id, .data = &at, .size = sizeof at, .descriptor = -1};
  error = pvpn_query(&request, NULL);
  return error == 0 ? 0 : pvpn_fail(error);
}

PVPN_EXPORT int listen(int fd, int backlog) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(listen)(fd, backlog);
  if (socket.type != SOCK_STREAM) return pvpn_fail(EOPNOTSUPP);
  const struct pvpn_request request = {
      .kind = PVPN_LISTEN, .id = socket.id, .value = (uint32_t)backlog, .descriptor = -1};
  const int error = pvpn_query(&request, NULL);
  if (error != 0) return pvpn_fail(error);
  pvpn_mark(fd, MARK_LISTENING);
  return 0;
}

/** 0, or an errno: the connection that one byte stood for becomes a socket of ours. */
static int take(const struct pvpn_socket *listener, int flags, int *out,
                struct pvpn_state *state) {
  struct pvpn_socket fresh = *listener;
  int other;
  const int fd = pvpn_pair(&fresh, flags, &other);
  if (fd < 0) return errno;
  struct pvpn_reply reply = {.data = state, .room = sizeof *state};
  const struct pvpn_request request = {.kind = PVPN_ACCEPT,
                                       .id = listener->id,
                                       .data = &fresh.id,
                                       .size = sizeof fresh.id,
                                       .descriptor = other};
  const int error = pvpn_query(&request, &reply);
  syscall(SYS_close, other);
  if (error != 0) {
    syscall(SYS_close, fd);
    return error;
  }
  pvpn_mark(fd, MARK_CONNECTED);
  *out = fd;
  return 0;
}

static int acceptOne(int fd, const struct pvpn_socket *socket, struct sockaddr *address,
                     socklen_t *size, int flags) {
  if (socket->type != SOCK_STREAM) return pvpn_fail(EOPNOTSUPP);
  if (pvpn_marked(fd) != MARK_LISTENING) return pvpn_fail(EINVAL);
  while (true) {
    char one;
    const long got = syscall(SYS_recvfrom, fd, &one, 1, 0, NULL, NULL);
    if (got < 0) return -1;
    if (got == 0) return pvpn_fail(ENETDOWN);
    struct pvpn_state state;
    int made = -1;
    memset(&state, 0, sizeof state);
    const int error = take(socket, flags, &made, &state);
    // The other side had gone before it was accepted.
    if (error == EAGAIN) continue;
    if (error != 0) return pvpn_fail(error);
    if (address != NULL) pvpn_store_address(socket, &state.remote, address, size);
    return made;
  }
}

PVPN_EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(accept4)(fd, address, size, flags);
  if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return pvpn_fail(EINVAL);
  return acceptOne(fd, &socket, address, size, flags);
}

PVPN_EXPORT int accept(int fd, struct sockaddr *address, socklen_t *size) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(accept)(fd, address, size);
  return acceptOne(fd, &socket, address, size, 0);
}

PVPN_EXPORT int shutdown(int fd, int how) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(shutdown)(fd, how);
  const enum pvpn_mark mark = pvpn_marked(fd);
  if (socket.type == SOCK_STREAM && mark != MARK_CONNECTED && mark != MARK_LISTENING) {
    return pvpn_fail(ENOTCONN);
  }
  // Nothing of a listener's pair may end: the environment would take it for the program's close.
  if (socket.type == SOCK_STREAM && mark == MARK_LISTENING && how == SHUT_WR) return 0;
  return PVPN_NEXT(shutdown)(fd, how);
}
