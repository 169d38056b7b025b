/** Sending and receiving on sockets of ours; each returns as recvmsg and sendmsg do, with errno. */
#ifndef PVPN_TRANSFER_H
#define PVPN_TRANSFER_H

#include "preload.h"

/** Parts of one message. More are refused (EMSGSIZE). */
#define MOST_PARTS 256

ssize_t pvpn_stream_receive(int fd, const struct pvpn_socket *socket, struct msghdr *message,
                            int flags);
/** What the end of a stream means: 0, or -1 with errno when it was cut. */
ssize_t pvpn_stream_end(const struct pvpn_socket *socket);
ssize_t pvpn_stream_send(int fd, const struct pvpn_socket *socket, const struct msghdr *message,
                         int flags);
ssize_t pvpn_datagram_receive(int fd, const struct pvpn_socket *socket, struct msghdr *message,
                              int flags);
ssize_t pvpn_datagram_send(int fd, const struct pvpn_socket *socket, const struct msghdr *message,
                           int flags);

static inline size_t pvpn_length(const struct msghdr *message) {
  size_t total = 0;
  for (size_t i = 0; i < message->msg_iovlen; i++) total += message->msg_iov[i].iov_len;
  return total;
}

#endif
