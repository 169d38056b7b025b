/** Datagrams: an address in front of each on the pair, until the socket is connected. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "preload.h"
#include "transfer.h"

/** Bytes that one datagram carries at most, in IPv4. */
#define MOST_BYTES 65507

/** 0, or what an empty message told: an error that came back, or that the environment's process has gone. */
static int trouble(const struct pvpn_socket *socket) {
  struct pvpn_state state;
  const int error = pvpn_state(socket, PVPN_CLEAR, &state);
  if (error == 0) return (int)state.error;
  return error == ENOTCONN ? ENETDOWN : error;
}

static void nameOfPeer(const struct pvpn_socket *socket, struct msghdr *message) {
  struct pvpn_state state;
  if (message->msg_name == NULL || pvpn_state(socket, 0, &state) != 0) {
    message->msg_namelen = 0;
    return;
  }
  pvpn_store_address(socket, &state.remote, message->msg_name, &message->msg_namelen);
}

ssize_t pvpn_datagram_receive(int fd, const struct pvpn_socket *socket, struct msghdr *message,
                              int flags) {
  if ((flags & MSG_ERRQUEUE) != 0) return pvpn_fail(EAGAIN);
  if (message->msg_iovlen >= MOST_PARTS) return pvpn_fail(EMSGSIZE);
  const bool bare = pvpn_marked(fd) == MARK_CONNECTED;
  struct pvpn_address from;
  struct iovec parts[MOST_PARTS];
  parts[0] = (struct iovec){&from, sizeof from};
  if (message->msg_iovlen > 0) {
    memcpy(parts + 1, message->msg_iov, message->msg_iovlen * sizeof *parts);
  }
  const size_t skipped = bare ? 1 : 0;
  while (true) {
    struct msghdr own = {.msg_iov = parts + skipped, .msg_iovlen = message->msg_iovlen + 1 - skipped};
    long got = syscall(SYS_recvmsg, fd, &own, flags);
    if (got < 0) return errno == ECONNRESET ? pvpn_fail(ENETDOWN) : -1;
    if (got == 0 && pvpn_length(message) + !bare > 0) {
      const int error = trouble(socket);
      if (error != 0) return pvpn_fail(error);
    }
    if (!bare) {
      // Shorter is none of the environment's, and a marker belongs to a connect of another thread.
      if (got < (long)sizeof from || from.family == PVPN_MARKER) {
        if ((flags & MSG_PEEK) == 0) continue;
        syscall(SYS_recvfrom, fd, &from, 1, MSG_DONTWAIT, NULL, NULL);
        continue;
      }
      got -= (long)sizeof from;
      if (message->msg_name == NULL) message->msg_namelen = 0;
      else pvpn_store_address(socket, &from, message->msg_name, &message->msg_namelen);
    } else {
      nameOfPeer(socket, message);
    }
    message->msg_controllen = 0;
    message->msg_flags = own.msg_flags & MSG_TRUNC;
    return got;
  }
}

/** By a question: what the pair has no form for (an empty one, or one to elsewhere from a connected socket). */
__attribute__((noinline)) static ssize_t sendByQuery(const struct pvpn_socket *socket,
                                                     const struct pvpn_address *to,
                                                     const struct msghdr *message, size_t size) {
  uint8_t bytes[MOST_BYTES];
  size_t at = 0;
  for (size_t i = 0; i < message->msg_iovlen && at < size; i++) {
    memcpy(bytes + at, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    at += message->msg_iov[i].iov_len;
  }
  const struct pvpn_request request = {.kind = PVPN_SEND,
                                       .id = socket->id,
                                       .data = to,
                                       .size = sizeof *to,
                                       .more = bytes,
                                       .moreSize = (uint32_t)at,
                                       .descriptor = -1};
  const int error = pvpn_query(&request, NULL);
  return error == 0 ? (ssize_t)at : pvpn_fail(error == ENOTCONN ? ENETDOWN : error);
}

ssize_t pvpn_datagram_send(int fd, const struct pvpn_socket *socket, const struct msghdr *message,
                           int flags) {
  const size_t size = pvpn_length(message);
  if (size > MOST_BYTES || message->msg_iovlen >= MOST_PARTS) return pvpn_fail(EMSGSIZE);
  const bool bare = pvpn_marked(fd) == MARK_CONNECTED;
  struct pvpn_address to;
  memset(&to, 0, sizeof to);
  if (message->msg_name != NULL && message->msg_namelen > 0) {
    int error;
    if (!pvpn_address_of(socket, message->msg_name, message->msg_namelen, &to, &error)) {
      return pvpn_fail(error);
    }
    if (to.port == 0) return pvpn_fail(EINVAL);
  } else if (!bare) {
    return pvpn_fail(EDESTADDRREQ);
  }
  if (bare && (to.family != 0 || size == 0)) return sendByQuery(socket, &to, message, size);
  struct iovec parts[MOST_PARTS];
  parts[0] = (struct iovec){&to, sizeof to};
  if (message->msg_iovlen > 0) {
    memcpy(parts + 1, message->msg_iov, message->msg_iovlen * sizeof *parts);
  }
  const size_t skipped = bare ? 1 : 0;
  const struct msghdr own = {.msg_iov = parts + skipped,
                             .msg_iovlen = message->msg_iovlen + 1 - skipped};
  const long sent = syscall(SYS_sendmsg, fd, &own, (flags & MSG_DONTWAIT) | MSG_NOSIGNAL);
  if (sent >= 0) return sent - (bare ? 0 : (long)sizeof to);
  return errno == EPIPE || errno == ECONNRESET ? pvpn_fail(ENETDOWN) : -1;
}
