#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "preload.h"

/** Tries of making a datagram socket connected while its queue is full. */
#define MARKER_TRIES 16

void *pvpn_next(const char *name) {
  const int before = errno;
  void *found = dlsym(RTLD_NEXT, name);
  errno = before;
  return found;
}

PVPN_EXPORT int socket(int domain, int type, int protocol) {
  if ((domain != AF_INET && domain != AF_INET6) || pvpn_path() == NULL) {
    return PVPN_NEXT(socket)(domain, type, protocol);
  }
  const int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
  const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  struct pvpn_socket fresh = {.type = kind, .domain = domain};
  if (kind == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) {
    return pvpn_open(&fresh, flags);
  }
  if (kind == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP)) {
    return pvpn_open(&fresh, flags);
  }
  if (kind == SOCK_STREAM || kind == SOCK_DGRAM) return pvpn_fail(EPROTONOSUPPORT);
  return pvpn_fail(kind == SOCK_RAW ? EPERM : ESOCKTNOSUPPORT);
}

/** Services of the host that would answer names, or fetch what they are asked for, outside. */
static bool hidden(const struct sockaddr *address, socklen_t size) {
  static const char *const kHidden[] = {
      "/run/nscd/",           "/var/run/nscd/",
      "/run/systemd/resolve/", "/run/avahi-daemon/socket",
      "/var/run/avahi-daemon/socket", "/run/dbus/system_bus_socket",
      "/var/run/dbus/system_bus_socket"};
  struct sockaddr_un name;
  if (address == NULL || size <= offsetof(struct sockaddr_un, sun_path)) return false;
  memset(&name, 0, sizeof name);
  memcpy(&name, address, size < sizeof name ? size : sizeof name - 1);
  if (name.sun_family != AF_UNIX) return false;
  for (size_t i = 0; i < sizeof kHidden / sizeof *kHidden; i++) {
    if (strncmp(name.sun_path, kHidden[i], strlen(kHidden[i])) == 0) return true;
  }
  // The session's D-Bus starts programs outside that fetch what they are asked for.
  static const char kBus[] = "/bus";
  const size_t length = strnlen(name.sun_path, sizeof name.sun_path);
  if (strncmp(name.sun_path, "/run/user/", 10) == 0 && length > sizeof kBus &&
      strcmp(name.sun_path + length - (sizeof kBus - 1), kBus) == 0) {
    return true;
  }
  const char *session = getenv("DBUS_SESSION_BUS_ADDRESS");
  return session != NULL && length > 1 && name.sun_path[0] != 0 &&
         strstr(session, name.sun_path) != NULL;
}

/** Takes what came in the old way, up to the marker; how long it can take has an end: the marker has been sent. */
static void passMarker(int fd) {
  struct pvpn_address head;
  while (true) {
    memset(&head, 0, sizeof head);
    const long got = syscall(SYS_recvfrom, fd, &head, sizeof head, 0, NULL, NULL);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || (got == sizeof head && head.family == PVPN_MARKER)) return;
  }
}

static void discard(int fd) {
  char one;
  while (syscall(SYS_recvfrom, fd, &one, sizeof one, MSG_DONTWAIT, NULL, NULL) > 0) continue;
}

/** Changes where a datagram socket is connected. 0 or an errno. */
static int direct(int fd, const struct pvpn_socket *socket, const struct pvpn_address *to) {
  const struct pvpn_request request = {.kind = to == NULL ? PVPN_DISCONNECT : PVPN_CONNECT,
                                       .id = socket->id,
                                       .data = to,
                                       .size = to == NULL ? 0 : sizeof *to,
                                       .descriptor = -1};
  int error = EAGAIN;
  for (int i = 0; i < MARKER_TRIES && error == EAGAIN; i++) {
    struct pvpn_reply reply = {.value = 0};
    if (i > 0) discard(fd);
    error = pvpn_query(&request, &reply);
    if (error != 0) continue;
    if (reply.value == 1) passMarker(fd);
    pvpn_mark(fd, to == NULL ? MARK_FRESH : MARK_CONNECTED);
  }
  return error;
}

/** A stream whose connection failed lost its other end: the same number gets a new pair, as the socket could be used again. */
static int renew(int fd, struct pvpn_socket *socket) {
  const long flags = syscall(SYS_fcntl, fd, F_GETFL);
  const long kept = syscall(SYS_fcntl, fd, F_GETFD);
  const int nonblocking = flags >= 0 && (flags & O_NONBLOCK) != 0 ? SOCK_NONBLOCK : 0;
  struct pvpn_socket fresh = *socket;
  const int made = pvpn_open(&fresh, nonblocking | SOCK_CLOEXEC);
  if (made < 0) return errno;
  const int closing = kept >= 0 && (kept & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0;
  const long done = syscall(SYS_dup3, made, fd, closing);
  const int error = errno;
  syscall(SYS_close, made);
  *socket = fresh;
  return done < 0 ? error : 0;
}

/** Makes the socket not writable: the environment takes these bytes when the connection is there. */
static void fill(int fd) {
  static const char kNothing[4096];
  for (size_t sent = 0; sent < PVPN_FILLING;) {
    const size_t left = PVPN_FILLING - sent;
    const long got = syscall(SYS_sendto, fd, kNothing, left < sizeof kNothing ? left : sizeof kNothing,
                             MSG_NOSIGNAL, NULL, 0);
    if (got > 0) sent += (size_t)got;
    else if (errno != EINTR && errno != EAGAIN) return;
  }
}

/** 0 or an errno. */
static int connectStream(int fd, struct pvpn_socket *socket, const struct pvpn_address *to) {
  const bool nonblocking = pvpn_nonblocking(fd);
  if (pvpn_marked(fd) != MARK_FRESH) {
    struct pvpn_state state;
    const int error = pvpn_state(socket, PVPN_CLEAR, &state);
    if (error != 0) return error;
    if (state.phase == PVPN_CONNECTED) return EISCONN;
    if (state.phase == PVPN_CONNECTING) return EALREADY;
    if (state.phase == PVPN_LISTENING) return EISCONN;
    if (state.error != 0) return (int)state.error;
    const int renewed = renew(fd, socket);
    if (renewed != 0) return renewed;
  }
  // SO_SNDTIMEO, which the Unix socket keeps, ends a connect too.
  struct timeval patience = {0};
  socklen_t size = sizeof patience;
  syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &patience, &size);
  const struct pvpn_request request = {.kind = PVPN_CONNECT,
                                       .flags = nonblocking ? PVPN_NONBLOCKING : 0,
                                       .id = socket->id,
                                       .data = to,
                                       .size = sizeof *to,
                                       .descriptor = -1,
                                       .interruptible = true,
                                       .patience = patience};
  const int error = pvpn_query(&request, NULL);
  if (error == EINPROGRESS) fill(fd);
  if (error == 0 || error == EINPROGRESS || error == EINTR || error == EAGAIN) {
    pvpn_mark(fd, MARK_CONNECTED);
  }
  return error == EAGAIN ? EINPROGRESS : error;
}

PVPN_EXPORT int connect(int fd, const struct sockaddr *address, socklen_t size) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) {
    if (hidden(address, size)) return pvpn_fail(ECONNREFUSED);
    return PVPN_NEXT(connect)(fd, address, size);
  }
  const int before = errno;
  int error = 0;
  struct pvpn_address to;
  const bool none = address != NULL && size >= sizeof address->sa_family &&
                    address->sa_family == AF_UNSPEC;
  if (none) {
    if (socket.type == SOCK_DGRAM) error = direct(fd, &socket, NULL);
    else error = renew(fd, &socket);
  } else if (pvpn_address_of(&socket, address, size, &to, &error)) {
    error = socket.type == SOCK_DGRAM ? direct(fd, &socket, &to) : connectStream(fd, &socket, &to);
  }
  if (error != 0) return pvpn_fail(error);
  errno = before;
  return 0;
}
