#include "streams.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <new>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "arguments.h"
#include "hub.h"
#include "udp-socket.h"

namespace pvpn {
namespace {

constexpr napi_type_tag kTag = {0x2b8e07d4913f4c6a, 0x9c41f06be85d2a73};
constexpr int64_t kMostBacklog = 1 << 16;

void finalize(napi_env, void* data, void*) {
  Hub* hub = static_cast<Hub*>(data);
  hub->closeAll();
  hub->release();
}

bool hubOf(Arguments& arguments, Hub** out) {
  if (!arguments.object(0, kTag, out)) return false;
  if (!(*out)->closed()) return true;
  throwCode(arguments.env(), "ERR_INVALID_STATE", "the hub is closed");
  return false;
}

/** A hub and a connection of it, as the first two arguments. */
bool connectionOf(Arguments& arguments, Hub** hub, int* slot, int* fd) {
  int64_t number = -1;
  if (!hubOf(arguments, hub) || !arguments.integer(1, 0, Hub::kSlots, &number)) return false;
  *slot = static_cast<int>(number);
  *fd = (*hub)->connection(number);
  if (*fd >= 0) return true;
  throwCode(arguments.env(), "ERR_INVALID_STATE", "no such connection");
  return false;
}

/** Binds, listens and puts the socket into the hub; it is closed when that fails. */
napi_value listenOn(napi_env env, Hub* hub, int fd, const sockaddr* name, socklen_t size,
                    int backlog) {
  const char* call = "bind";
  int error = bind(fd, name, size) == 0 ? 0 : errno;
  if (error == 0) {
    call = "listen";
    error = listen(fd, backlog) == 0 ? 0 : errno;
  }
  const int slot = error == 0 ? hub->addListener(fd) : -error;
  if (slot >= 0) return number(env, slot);
  close(fd);
  return throwErrno(env, -slot, call);
}

}  // namespace

napi_value hubOpen(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  napi_value callback = nullptr;
  if (!arguments.function(0, &callback)) return nullptr;
  const int set = Hub::create();
  if (set < 0) return throwErrno(env, -set, "epoll_create1");
  Hub* hub = new (std::nothrow) Hub();
  if (hub == nullptr) {
    close(set);
    return throwCode(env, "ENOMEM", "no memory for a hub");
  }
  if (!hub->open(env, set, callback)) {
    hub->release();
    return nullptr;
  }
  napi_value object = wrap(env, hub, kTag, finalize);
  if (object != nullptr) return object;
  hub->release();
  return throwCode(env, "ERR_INTERNAL", "no object for a hub");
}

napi_value hubClose(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  if (!arguments.object(0, kTag, &hub)) return nullptr;
  if (!hub->closed()) hub->closeAll();
  return undefined(env);
}

napi_value hubListen(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  Span<uint8_t> record;
  int64_t backlog = 0;
  if (!hubOf(arguments, &hub) || !arguments.bytes(1, &record) ||
      !arguments.integer(2, 1, kMostBacklog, &backlog)) {
    return nullptr;
  }
  if (record.length != kRecordSize) {
    return throwCode(env, "ERR_INVALID_ARG_VALUE", "not a socket address record");
  }
  const int family = record.data[0] == 6 ? AF_INET6 : AF_INET;
  sockaddr_storage name;
  const socklen_t size = toSockaddr(record.data, family, &name);
  if (size == 0) return throwErrno(env, EAFNOSUPPORT, "socket");
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return throwErrno(env, errno, "socket");
  const int on = 1;
  const int off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Connections inherit it.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // `::` is IPv4 too, as with node:net.
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  return listenOn(env, hub, fd, reinterpret_cast<sockaddr*>(&name), size,
                  static_cast<int>(backlog));
}

napi_value hubListenUnix(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  sockaddr_un name = {};
  int64_t backlog = 0;
  if (!hubOf(arguments, &hub) || !arguments.text(1, name.sun_path, sizeof name.sun_path) ||
      !arguments.integer(2, 1, kMostBacklog, &backlog)) {
    return nullptr;
  }
  name.sun_family = AF_UNIX;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return throwErrno(env, errno, "socket");
  return listenOn(env, hub, fd, reinterpret_cast<sockaddr*>(&name), sizeof name,
                  static_cast<int>(backlog));
}

napi_value hubWait(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  Span<int32_t> out;
  if (!hubOf(arguments, &hub) || !arguments.ints(1, &out)) return nullptr;
  return number(env, hub->wait(out));
}

napi_value hubAccept(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  int64_t slot = -1;
  Span<int32_t> out;
  Span<uint8_t> records;
  if (!hubOf(arguments, &hub) || !arguments.integer(1, 0, Hub::kSlots, &slot) ||
      !arguments.ints(2, &out) || !arguments.bytes(3, &records)) {
    return nullptr;
  }
  if (hub->listener(slot) < 0) return throwCode(env, "ERR_INVALID_STATE", "no such listener");
  return number(env, hub->accept(static_cast<int>(slot), out, records));
}

napi_value hubName(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  int64_t slot = -1;
  Span<uint8_t> record;
  if (!hubOf(arguments, &hub) || !arguments.integer(1, 0, Hub::kSlots, &slot) ||
      !arguments.bytes(2, &record)) {
    return nullptr;
  }
  if (record.length != kRecordSize) {
    return throwCode(env, "ERR_INVALID_ARG_VALUE", "no room for a socket address record");
  }
  const int fd = hub->listener(slot) >= 0 ? hub->listener(slot) : hub->connection(slot);
  if (fd < 0) return throwCode(env, "ERR_INVALID_STATE", "no such socket");
  sockaddr_storage name = {};
  socklen_t size = sizeof name;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return number(env, -errno);
  toRecord(name, record.data);
  return number(env, 0);
}

napi_value hubRead(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  int slot = -1;
  int fd = -1;
  Span<uint8_t> bytes;
  if (!connectionOf(arguments, &hub, &slot, &fd) || !arguments.bytes(2, &bytes)) return nullptr;
  // Nothing asked for would look like the end.
  if (bytes.length == 0) return throwCode(env, "ERR_OUT_OF_RANGE", "no room to read into");
  ssize_t size;
  do {
    size = recv(fd, bytes.data, bytes.length, MSG_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  return number(env, size < 0 ? -errno : static_cast<double>(size));
}

napi_value hubWrite(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  int slot = -1;
  int fd = -1;
  Span<uint8_t> bytes;
  if (!connectionOf(arguments, &hub, &slot, &fd) || !arguments.bytes(2, &bytes)) return nullptr;
  ssize_t size;
  do {
    size = send(fd, bytes.data, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (size < 0 && errno == EINTR);
  return number(env, size < 0 ? -errno : static_cast<double>(size));
}

napi_value hubError(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  int slot = -1;
  int fd = -1;
  if (!connectionOf(arguments, &hub, &slot, &fd)) return nullptr;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return number(env, -error);
}

napi_value hubRearm(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  int slot = -1;
  int fd = -1;
  if (!connectionOf(arguments, &hub, &slot, &fd)) return nullptr;
  hub->rearm(slot);
  return undefined(env);
}

napi_value hubShutdown(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  int slot = -1;
  int fd = -1;
  if (!connectionOf(arguments, &hub, &slot, &fd)) return nullptr;
  return number(env, shutdown(fd, SHUT_WR) == 0 ? 0 : -errno);
}

napi_value hubDrop(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  int64_t slot = -1;
  bool reset = false;
  if (!hubOf(arguments, &hub) || !arguments.integer(1, 0, Hub::kSlots, &slot) ||
      !arguments.flag(2, &reset)) {
    return nullptr;
  }
  if (!hub->used(slot)) return throwCode(env, "ERR_INVALID_STATE", "no such socket");
  hub->drop(static_cast<int>(slot), reset);
  return undefined(env);
}

napi_value hubTake(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  int slot = -1;
  int fd = -1;
  if (!connectionOf(arguments, &hub, &slot, &fd)) return nullptr;
  return number(env, hub->take(slot));
}

napi_value hubDescriptor(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Hub* hub = nullptr;
  int slot = -1;
  int fd = -1;
  if (!connectionOf(arguments, &hub, &slot, &fd)) return nullptr;
  return number(env, fd);
}

}  // namespace pvpn
