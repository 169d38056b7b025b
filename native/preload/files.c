/** read and write on datagram sockets; on everything else they are the C library's, but for why a stream ended. */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "transfer.h"

/** Only a process that ever had a datagram socket of ours looks at each read and write. */
static bool ours(int fd, struct pvpn_socket *socket) {
  return pvpn_has_datagrams() && pvpn_identify(fd, socket);
}

/** A stream's end that was none: the far side's reset, which the pair cannot tell. */
static ssize_t ended(int fd, ssize_t got, size_t asked) {
  struct pvpn_socket socket;
  if (got != 0 || asked == 0 || !pvpn_has_streams() || !pvpn_identify(fd, &socket)) return got;
  return socket.type == SOCK_STREAM ? pvpn_stream_end(&socket) : got;
}

static size_t total(const struct iovec *parts, int count) {
  const struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
  return pvpn_length(&message);
}

static ssize_t take(int fd, const struct pvpn_socket *socket, const struct iovec *parts, int count) {
  struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
  return socket->type == SOCK_STREAM ? pvpn_stream_receive(fd, socket, &message, 0)
                                     : pvpn_datagram_receive(fd, socket, &message, 0);
}

static ssize_t give(int fd, const struct pvpn_socket *socket, const struct iovec *parts, int count) {
  const struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
  return socket->type == SOCK_STREAM ? pvpn_stream_send(fd, socket, &message, 0)
                                     : pvpn_datagram_send(fd, socket, &message, 0);
}

PVPN_EXPORT ssize_t read(int fd, void *bytes, size_t size) {
  struct pvpn_socket socket;
  if (!ours(fd, &socket)) return ended(fd, PVPN_NEXT(read)(fd, bytes, size), size);
  const struct iovec part = {bytes, size};
  return take(fd, &socket, &part, 1);
}

PVPN_EXPORT ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room);
PVPN_EXPORT ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room) {
  struct pvpn_socket socket;
  if (!ours(fd, &socket)) return ended(fd, PVPN_NEXT(__read_chk)(fd, bytes, size, room), size);
  const struct iovec part = {bytes, size < room ? size : room};
  return take(fd, &socket, &part, 1);
}

PVPN_EXPORT ssize_t readv(int fd, const struct iovec *parts, int count) {
  struct pvpn_socket socket;
  if (count < 0) return pvpn_fail(EINVAL);
  if (!ours(fd, &socket)) return ended(fd, PVPN_NEXT(readv)(fd, parts, count), total(parts, count));
  return take(fd, &socket, parts, count);
}

PVPN_EXPORT ssize_t write(int fd, const void *bytes, size_t size) {
  struct pvpn_socket socket;
  if (!ours(fd, &socket)) return PVPN_NEXT(write)(fd, bytes, size);
  const struct iovec part = {(void *)bytes, size};
  return give(fd, &socket, &part, 1);
}

PVPN_EXPORT ssize_t writev(int fd, const struct iovec *parts, int count) {
  struct pvpn_socket socket;
  if (count < 0 || !ours(fd, &socket)) return PVPN_NEXT(writev)(fd, parts, count);
  return give(fd, &socket, parts, count);
}
