#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <new>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arguments.h"
#include "poller.h"

namespace pvpn {
namespace {

constexpr napi_type_tag kTag = {0x6f1d2c9be04a4c17, 0xa3b58d7710c2e94f};
constexpr int64_t kMostDescriptor = 0x7fffffff;
/** Descriptors of one message; the kernel closes more than fit. */
constexpr size_t kMostDescriptors = 8;

class Channel : public Poller {};

void finalize(napi_env, void* data, void*) { static_cast<Channel*>(data)->release(); }

/** Stores the message's descriptors, closes what finds no room, and marks the rest of the room with -1. */
void collect(msghdr* message, Span<int32_t>* out) {
  size_t stored = 0;
  for (cmsghdr* h = CMSG_FIRSTHDR(message); h != nullptr; h = CMSG_NXTHDR(message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
      if (stored < out->length) out->data[stored++] = fd;
      else close(fd);
    }
  }
  while (stored < out->length) out->data[stored++] = -1;
}

}  // namespace

napi_value channelOpen(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int64_t socket = -1;
  napi_value callback = nullptr;
  if (!arguments.integer(0, 0, kMostDescriptor, &socket) || !arguments.function(1, &callback)) {
    return nullptr;
  }
  // The event loop has the socket's own number already, for writing.
  const int fd = fcntl(static_cast<int>(socket), F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return throwErrno(env, errno, "dup");
  Channel* channel = new (std::nothrow) Channel();
  if (channel == nullptr) {
    close(fd);
    return throwCode(env, "ENOMEM", "no memory for a channel");
  }
  if (!channel->open(env, fd, callback)) {
    channel->release();
    return nullptr;
  }
  napi_value object = wrap(env, channel, kTag, finalize);
  if (object != nullptr) return object;
  channel->release();
  return nullptr;
}

napi_value channelRead(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Channel* channel = nullptr;
  Span<uint8_t> bytes;
  Span<int32_t> descriptors;
  if (!arguments.object(0, kTag, &channel) || !arguments.bytes(1, &bytes) ||
      !arguments.ints(2, &descriptors)) {
    return nullptr;
  }
  if (channel->closed()) return throwCode(env, "ERR_INVALID_STATE", "the channel is closed");
  iovec part = {bytes.data, bytes.length};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size;
  do {
    size = recvmsg(channel->fd(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  const int error = errno;
  if (size < 0) message.msg_controllen = 0;
  collect(&message, &descriptors);
  return number(env, size < 0 ? -error : static_cast<double>(size));
}

napi_value channelSend(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Channel* channel = nullptr;
  Span<uint8_t> bytes;
  if (!arguments.object(0, kTag, &channel) || !arguments.bytes(1, &bytes)) return nullptr;
  if (channel->closed()) return throwCode(env, "ERR_INVALID_STATE", "the channel is closed");
  ssize_t size;
  do {
    size = send(channel->fd(), bytes.data, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (size < 0 && errno == EINTR);
  return number(env, size < 0 ? -errno : static_cast<double>(size));
}

napi_value channelClose(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Channel* channel = nullptr;
  if (!arguments.object(0, kTag, &channel)) return nullptr;
  channel->close();
  return undefined(env);
}

napi_value descriptorClose(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int64_t fd = -1;
  if (!arguments.integer(0, 3, kMostDescriptor, &fd)) return nullptr;
  close(static_cast<int>(fd));
  return undefined(env);
}

}  // namespace pvpn
