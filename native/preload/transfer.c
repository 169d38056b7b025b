/** The functions of the C library that send and receive. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "transfer.h"

static ssize_t receive(int fd, const struct pvpn_socket *socket, struct msghdr *message, int flags) {
  return socket->type == SOCK_STREAM ? pvpn_stream_receive(fd, socket, message, flags)
                                     : pvpn_datagram_receive(fd, socket, message, flags);
}

static ssize_t transmit(int fd, const struct pvpn_socket *socket, const struct msghdr *message,
                        int flags) {
  return socket->type == SOCK_STREAM ? pvpn_stream_send(fd, socket, message, flags)
                                     : pvpn_datagram_send(fd, socket, message, flags);
}

PVPN_EXPORT ssize_t recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
                             socklen_t *room) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(recvfrom)(fd, bytes, size, flags, address, room);
  struct iovec part = {bytes, size};
  struct msghdr message = {.msg_name = room == NULL ? NULL : address,
                           .msg_namelen = room == NULL ? 0 : *room,
                           .msg_iov = &part,
                           .msg_iovlen = 1};
  const ssize_t got = receive(fd, &socket, &message, flags);
  if (got >= 0 && room != NULL && address != NULL) *room = message.msg_namelen;
  return got;
}

PVPN_EXPORT ssize_t recv(int fd, void *bytes, size_t size, int flags) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(recv)(fd, bytes, size, flags);
  struct iovec part = {bytes, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  return receive(fd, &socket, &message, flags);
}

PVPN_EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(recvmsg)(fd, message, flags);
  return receive(fd, &socket, message, flags);
}

static struct timespec now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time;
}

/** False: the time is over (recvmmsg's own rule looks only between messages; here the wait ends too). */
static bool await(int fd, const struct timespec *end) {
  const struct timespec at = now();
  struct timespec left = {end->tv_sec - at.tv_sec, end->tv_nsec - at.tv_nsec};
  if (left.tv_nsec < 0) {
    left.tv_sec--;
    left.tv_nsec += 1000000000;
  }
  if (left.tv_sec < 0) return false;
  struct pollfd polled = {.fd = fd, .events = POLLIN};
  return ppoll(&polled, 1, &left, NULL) > 0;
}

PVPN_EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                         struct timespec *timeout) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(recvmmsg)(fd, messages, count, flags, timeout);
  struct timespec end = now();
  if (timeout != NULL) {
    end.tv_sec += timeout->tv_sec + (end.tv_nsec + timeout->tv_nsec) / 1000000000;
    end.tv_nsec = (end.tv_nsec + timeout->tv_nsec) % 1000000000;
  }
  int own = flags & ~MSG_WAITFORONE;
  unsigned done = 0;
  while (done < count) {
    if (timeout != NULL && (own & MSG_DONTWAIT) == 0 && !await(fd, &end)) {
      if (done == 0) errno = EAGAIN;
      break;
    }
    const ssize_t got = receive(fd, &socket, &messages[done].msg_hdr, own);
    if (got < 0) break;
    messages[done++].msg_len = (unsigned)got;
    if ((flags & MSG_WAITFORONE) != 0) own |= MSG_DONTWAIT;
    if (got == 0 && socket.type == SOCK_STREAM) break;
  }
  return done > 0 || count == 0 ? (int)done : -1;
}

PVPN_EXPORT ssize_t sendto(int fd, const void *bytes, size_t size, int flags,
                           const struct sockaddr *address, socklen_t length) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(sendto)(fd, bytes, size, flags, address, length);
  struct iovec part = {(void *)bytes, size};
  const struct msghdr message = {.msg_name = (void *)address,
                                 .msg_namelen = address == NULL ? 0 : length,
                                 .msg_iov = &part,
                                 .msg_iovlen = 1};
  return transmit(fd, &socket, &message, flags);
}

PVPN_EXPORT ssize_t send(int fd, const void *bytes, size_t size, int flags) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(send)(fd, bytes, size, flags);
  struct iovec part = {(void *)bytes, size};
  const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  return transmit(fd, &socket, &message, flags);
}

PVPN_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(sendmsg)(fd, message, flags);
  return transmit(fd, &socket, message, flags);
}

PVPN_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(sendmmsg)(fd, messages, count, flags);
  unsigned done = 0;
  for (; done < count; done++) {
    const ssize_t sent = transmit(fd, &socket, &messages[done].msg_hdr, flags);
    if (sent < 0) break;
    messages[done].msg_len = (unsigned)sent;
  }
  return done > 0 || count == 0 ? (int)done : -1;
}

/* What programs compiled with _FORTIFY_SOURCE call; the compiler has found that `size` fits. */
PVPN_EXPORT ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags);
PVPN_EXPORT ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) return PVPN_NEXT(__recv_chk)(fd, bytes, size, room, flags);
  return recv(fd, bytes, size < room ? size : room, flags);
}

PVPN_EXPORT ssize_t __recvfrom_chk(int fd, void *bytes, size_t size, size_t room, int flags,
                                   struct sockaddr *address, socklen_t *length);
PVPN_EXPORT ssize_t __recvfrom_chk(int fd, void *bytes, size_t size, size_t room, int flags,
                                   struct sockaddr *address, socklen_t *length) {
  struct pvpn_socket socket;
  if (!pvpn_identify(fd, &socket)) {
    return PVPN_NEXT(__recvfrom_chk)(fd, bytes, size, room, flags, address, length);
  }
  return recvfrom(fd, bytes, size < room ? size : room, flags, address, length);
}
