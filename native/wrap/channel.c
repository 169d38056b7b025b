#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "wrap.h"

/** The most descriptors that one message carries here. */
#define MOST_DESCRIPTORS 4

/** Through the folder's descriptor: a socket's path has room for 107 bytes only, a runtime folder may be longer. */
static bool addressOf(struct sockaddr_un *address, int folder, const char *environment,
                      const char *suffix) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  const int length = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s.%s",
                              folder, environment, suffix);
  if (length > 0 && (size_t)length < sizeof address->sun_path) return true;
  errno = ENAMETOOLONG;
  return false;
}

int channelConnect(int folder, const char *environment, const char *suffix) {
  struct sockaddr_un address;
  if (!addressOf(&address, folder, environment, suffix)) return -1;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
    if (peerIsUs(fd)) return fd;
    errno = EPERM;
  }
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

int channelListen(int folder, const char *environment, const char *suffix) {
  struct sockaddr_un address;
  if (!addressOf(&address, folder, environment, suffix)) return -1;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  unlink(address.sun_path);
  const mode_t mask = umask(0177);
  const bool bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
  umask(mask);
  if (bound && listen(fd, 128) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

bool peerIsUs(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

union control {
  struct cmsghdr align;
  char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
};

bool sendLine(int fd, const char *line, const int *descriptors, int count) {
  struct iovec part = {.iov_base = (char *)line, .iov_len = strlen(line)};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  union control control;
  memset(&control, 0, sizeof control);
  if (count > 0) {
    const size_t size = (size_t)count * sizeof(int);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), descriptors, size);
  }
  ssize_t sent;
  do {
    sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == (ssize_t)part.iov_len;
}

ssize_t receiveLine(int fd, char *line, size_t size, int *descriptors, int count) {
  struct iovec part = {.iov_base = line, .iov_len = size - 1};
  union control control;
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  for (int i = 0; i < count; i++) descriptors[i] = -1;
  ssize_t got;
  do {
    got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return got;
  line[got] = 0;
  int stored = 0;
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h != NULL; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    const size_t found = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < found; i++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(h) + i * sizeof(int), sizeof descriptor);
      if (stored < count) descriptors[stored++] = descriptor;
      else close(descriptor);
    }
  }
  return got;
}
