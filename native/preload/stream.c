/** Bytes of streams: the pair's own, but for addresses that a Unix socket would take amiss, and for why it ended. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "preload.h"
#include "transfer.h"

/** The far side's reset closes the pair: what is left of it is the state's error. */
static int endedBy(const struct pvpn_socket *socket) {
  struct pvpn_state state;
  if (pvpn_state(socket, PVPN_CLEAR, &state) != 0) return 0;
  return state.phase == PVPN_OVER ? (int)state.error : 0;
}

ssize_t pvpn_stream_receive(int fd, const struct pvpn_socket *socket, struct msghdr *message,
                            int flags) {
  if (pvpn_marked(fd) != MARK_CONNECTED) return pvpn_fail(ENOTCONN);
  struct msghdr own = {.msg_iov = message->msg_iov, .msg_iovlen = message->msg_iovlen};
  const long got = syscall(SYS_recvmsg, fd, &own, flags & ~MSG_ERRQUEUE);
  if (got < 0) return got;
  message->msg_namelen = 0;
  message->msg_controllen = 0;
  message->msg_flags = own.msg_flags & ~(MSG_CTRUNC | MSG_CMSG_CLOEXEC);
  return got == 0 && pvpn_length(message) > 0 ? pvpn_stream_end(socket) : got;
}

ssize_t pvpn_stream_end(const struct pvpn_socket *socket) {
  const int error = endedBy(socket);
  return error == 0 ? 0 : pvpn_fail(error);
}

ssize_t pvpn_stream_send(int fd, const struct pvpn_socket *socket, const struct msghdr *message,
                         int flags) {
  if ((flags & MSG_FASTOPEN) != 0) {
    if (message->msg_name == NULL) return pvpn_fail(EINVAL);
    // Data in the first packet is an economy: a connection and then the data are the same to both ends.
    if (connect(fd, message->msg_name, message->msg_namelen) != 0) return -1;
    flags &= ~MSG_FASTOPEN;
  } else if (pvpn_marked(fd) != MARK_CONNECTED) {
    if ((flags & MSG_NOSIGNAL) == 0) raise(SIGPIPE);
    return pvpn_fail(EPIPE);
  }
  const struct msghdr own = {.msg_iov = message->msg_iov, .msg_iovlen = message->msg_iovlen};
  const long sent = syscall(SYS_sendmsg, fd, &own, (flags & ~MSG_ZEROCOPY) | MSG_NOSIGNAL);
  if (sent >= 0 || errno != EPIPE) return sent;
  const int error = endedBy(socket);
  if (error != 0) return pvpn_fail(error);
  if ((flags & MSG_NOSIGNAL) == 0) raise(SIGPIPE);
  return pvpn_fail(EPIPE);
}
