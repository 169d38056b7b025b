#include "udp.h"

#include <new>
#include <unistd.h>

#include "arguments.h"
#include "udp-socket.h"

namespace pvpn {
namespace {

constexpr napi_type_tag kTag = {0x4f2c7be91a3d4860, 0xa15d30e27c9b4f18};
constexpr int64_t kMostBuffer = 1 << 30;
constexpr size_t kLeastRegion = 64;
/** Microseconds: datagrams must not wait for long. */
constexpr int64_t kLongestRest = 1000000;

void finalize(napi_env, void* data, void*) { static_cast<UdpSocket*>(data)->release(); }

bool socketOf(Arguments& arguments, UdpSocket** out) {
  if (!arguments.object(0, kTag, out)) return false;
  if (!(*out)->closed()) return true;
  throwCode(arguments.env(), "ERR_SOCKET_DGRAM_NOT_RUNNING", "the socket is closed");
  return false;
}

}  // namespace

napi_value udpOpen(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Span<uint8_t> record;
  bool only6 = false;
  int64_t receiveBuffer = 0;
  int64_t sendBuffer = 0;
  napi_value callback = nullptr;
  if (!arguments.bytes(0, &record) || !arguments.flag(1, &only6) ||
      !arguments.integer(2, 0, kMostBuffer, &receiveBuffer) ||
      !arguments.integer(3, 0, kMostBuffer, &sendBuffer) || !arguments.function(4, &callback)) {
    return nullptr;
  }
  if (record.length != kRecordSize) {
    return throwCode(env, "ERR_INVALID_ARG_VALUE", "not a socket address record");
  }
  const SocketOptions options = {only6, static_cast<int>(receiveBuffer),
                                 static_cast<int>(sendBuffer)};
  const char* call = nullptr;
  const int fd = openSocket(record.data, options, &call);
  if (fd < 0) return throwErrno(env, -fd, call);
  UdpSocket* socket = new (std::nothrow) UdpSocket();
  if (socket == nullptr) {
    close(fd);
    return throwCode(env, "ENOMEM", "no memory for a socket");
  }
  socket->prepare(fd, record.data[0] == 6 ? AF_INET6 : AF_INET);
  if (!socket->open(env, fd, callback)) {
    socket->release();
    return nullptr;
  }
  napi_value object = wrap(env, socket, kTag, finalize);
  if (object == nullptr) {
    socket->release();
    return throwCode(env, "ERR_INTERNAL", "no object for a socket");
  }
  return object;
}

napi_value udpInfo(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  UdpSocket* socket = nullptr;
  Span<double> out;
  if (!socketOf(arguments, &socket) || !arguments.doubles(1, &out)) return nullptr;
  const double values[] = {
      static_cast<double>(socket->port()),       static_cast<double>(socket->receiveBuffer()),
      static_cast<double>(socket->sendBuffer()), socket->gro() ? 1.0 : 0.0,
      socket->gso() ? 1.0 : 0.0,                 socket->dropped(),
  };
  constexpr size_t count = sizeof values / sizeof values[0];
  for (size_t i = 0; i < count && i < out.length; i++) out.data[i] = values[i];
  return undefined(env);
}

napi_value udpReceive(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  UdpSocket* socket = nullptr;
  Slots slots;
  Span<uint8_t> address;
  int64_t region = 0;
  int64_t packetSize = 0;
  bool fresh = false;
  if (!socketOf(arguments, &socket) || !arguments.slots(1, &slots) ||
      !arguments.bytes(4, &address) || !arguments.integer(5, kLeastRegion, INT32_MAX, &region) ||
      !arguments.integer(6, 0, INT32_MAX, &packetSize) || !arguments.flag(7, &fresh)) {
    return nullptr;
  }
  // Offsets are 32-bit.
  if (slots.bytes.length > INT32_MAX) slots.bytes.length = INT32_MAX;
  return number(env, socket->receive(slots, address, static_cast<size_t>(region),
                                     static_cast<size_t>(packetSize), fresh));
}

napi_value udpSend(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  UdpSocket* socket = nullptr;
  Slots slots;
  Span<uint8_t> address;
  size_t from = 0;
  size_t to = 0;
  if (!socketOf(arguments, &socket) || !arguments.slots(1, &slots) ||
      !arguments.bytes(4, &address)) {
    return nullptr;
  }
  const size_t addressed = address.length / kRecordSize;
  const size_t capacity = slots.capacity() < addressed ? slots.capacity() : addressed;
  if (!arguments.range(5, capacity, &from, &to)) return nullptr;
  return number(env, static_cast<double>(socket->send(slots, address, from, to)));
}

napi_value udpWaiting(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  UdpSocket* socket = nullptr;
  if (!socketOf(arguments, &socket)) return nullptr;
  return number(env, socket->waiting());
}

napi_value udpRest(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  UdpSocket* socket = nullptr;
  int64_t microseconds = 0;
  if (!socketOf(arguments, &socket) || !arguments.integer(1, 0, kLongestRest, &microseconds)) {
    return nullptr;
  }
  napi_value rests = nullptr;
  napi_get_boolean(env, socket->rest(env, microseconds), &rests);
  return rests;
}

napi_value udpClose(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  UdpSocket* socket = nullptr;
  if (!arguments.object(0, kTag, &socket)) return nullptr;
  socket->shut();
  return undefined(env);
}

}  // namespace pvpn
