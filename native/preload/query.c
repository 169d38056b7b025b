#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "preload.h"

/** Bytes of the path and of LD_PRELOAD that are kept. */
#define MOST_PATH 4096

/** What the launcher said, taken when the library was loaded: programs clear their environment. */
static struct {
  bool known;
  char path[MOST_PATH];
  char preloads[MOST_PATH];
  char environment[128];
} start;

static void keep(char *out, size_t size, const char *variable) {
  const char *value = getenv(variable);
  if (value == NULL || strlen(value) >= size) return;
  memcpy(out, value, strlen(value) + 1);
}

__attribute__((constructor)) static void begin(void) {
  const int error = errno;
  keep(start.path, sizeof start.path, PVPN_VARIABLE);
  keep(start.preloads, sizeof start.preloads, "LD_PRELOAD");
  keep(start.environment, sizeof start.environment, "PVPN_ENVIRONMENT");
  start.known = true;
  errno = error;
}

/** A constructor of another library may come before ours. */
static void ready(void) {
  if (!start.known) begin();
}

const char *pvpn_path(void) {
  ready();
  return start.path[0] == 0 ? NULL : start.path;
}

const char *pvpn_preloads(void) {
  ready();
  return start.preloads;
}

const char *pvpn_environment(void) {
  ready();
  return start.environment;
}

/* System calls of our own: the C library's functions are hooked, cancellation points, or not safe in signal handlers. */
static long again(long number, long a, const void *b, long c) {
  long got;
  do {
    got = syscall(number, a, b, c);
  } while (got < 0 && errno == EINTR);
  return got;
}

/** A socket's path has room for 107 bytes: a longer one is reached through its folder's descriptor. */
static int reach(int fd, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const size_t length = strlen(path);
  int folder = -1;
  if (length < sizeof address.sun_path) {
    memcpy(address.sun_path, path, length + 1);
  } else {
    const char *name = strrchr(path, '/');
    char parent[MOST_PATH];
    if (name == NULL) return -1;
    memcpy(parent, path, (size_t)(name - path));
    parent[name - path] = 0;
    folder = (int)syscall(SYS_openat, AT_FDCWD, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d%s", folder, name);
  }
  const long done = again(SYS_connect, fd, &address, sizeof address);
  if (folder >= 0) syscall(SYS_close, folder);
  return done < 0 && errno != EISCONN ? -1 : 0;
}

static bool sendAll(int fd, const struct pvpn_request *request) {
  struct pvpn_request_header header = {.magic = PVPN_MAGIC,
                                       .kind = request->kind,
                                       .flags = request->flags,
                                       .id = request->id,
                                       .value = request->value,
                                       .length = request->size + request->moreSize};
  struct iovec parts[] = {{&header, sizeof header},
                          {(void *)request->data, request->size},
                          {(void *)request->more, request->moreSize}};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {.bytes = {0}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
  if (request->descriptor >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &request->descriptor, sizeof(int));
  }
  size_t left = sizeof header + request->size + request->moreSize;
  while (left > 0) {
    const long sent = again(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    left -= (size_t)sent;
    message.msg_control = NULL;
    message.msg_controllen = 0;
    size_t gone = (size_t)sent;
    for (size_t i = 0; i < 3; i++) {
      const size_t part = gone < parts[i].iov_len ? gone : parts[i].iov_len;
      parts[i].iov_base = (char *)parts[i].iov_base + part;
      parts[i].iov_len -= part;
      gone -= part;
    }
  }
  return true;
}

/** 0, EINTR, EAGAIN after the time that the socket has, or ENETDOWN when it ended before. */
static int receiveAll(int fd, void *out, size_t size, bool interruptible) {
  for (size_t have = 0; have < size;) {
    const long got = syscall(SYS_read, fd, (char *)out + have, size - have);
    if (got < 0 && errno == EINTR) {
      if (interruptible) return EINTR;
      continue;
    }
    if (got < 0 && errno == EAGAIN) return EAGAIN;
    if (got <= 0) return ENETDOWN;
    have += (size_t)got;
  }
  return 0;
}

static int exchange(int fd, const struct pvpn_request *request, struct pvpn_reply *reply) {
  struct pvpn_reply_header header;
  if (!sendAll(fd, request)) return ENETDOWN;
  if (request->patience.tv_sec != 0 || request->patience.tv_usec != 0) {
    syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &request->patience,
            sizeof request->patience);
  }
  int error = receiveAll(fd, &header, sizeof header, request->interruptible);
  if (error != 0) return error;
  if (header.magic != PVPN_MAGIC || header.length > PVPN_MOST_DATA) return EPROTO;
  if (reply != NULL) {
    reply->value = header.value;
    const uint32_t size = header.length < reply->room ? header.length : reply->room;
    error = receiveAll(fd, reply->data, size, false);
    reply->size = error == 0 ? size : 0;
  }
  return error != 0 ? error : (int)header.error;
}

int pvpn_query(const struct pvpn_request *request, struct pvpn_reply *reply) {
  const int before = errno;
  const char *path = pvpn_path();
  int error = ENETDOWN;
  if (reply != NULL) reply->size = 0;
  if (path != NULL) {
    const int fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      error = errno;
    } else {
      if (reach(fd, path) == 0) error = exchange(fd, request, reply);
      syscall(SYS_close, fd);
    }
  }
  errno = before;
  return error;
}
