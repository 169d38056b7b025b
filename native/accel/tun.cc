#include "tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <new>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "arguments.h"
#include "poller.h"

namespace pvpn {
namespace {

constexpr napi_type_tag kTag = {0x1be64c0d9a7f4e53, 0xb90c5e1d3f6a2874};

/** The descriptor and its watch are all there is. */
class Tun : public Poller {};

void finalize(napi_env, void* data, void*) { static_cast<Tun*>(data)->release(); }

bool tunOf(Arguments& arguments, Tun** out) {
  if (!arguments.object(0, kTag, out)) return false;
  if (!(*out)->closed()) return true;
  throwCode(arguments.env(), "ERR_INVALID_STATE", "the device is closed");
  return false;
}

/** A descriptor attached to the device, without the kernel's packet information; or a negative errno. */
int attach(const char* name, const char** call) {
  *call = "open";
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  ifreq request = {};
  memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  *call = "TUNSETIFF";
  if (ioctl(fd, TUNSETIFF, &request) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

/** A handle for the descriptor, which is taken over (closed when there can be none). */
napi_value watched(napi_env env, int fd, napi_value callback) {
  Tun* tun = new (std::nothrow) Tun();
  if (tun == nullptr) {
    close(fd);
    return throwCode(env, "ENOMEM", "no memory for a device");
  }
  if (!tun->open(env, fd, callback)) {
    tun->release();
    return nullptr;
  }
  napi_value object = wrap(env, tun, kTag, finalize);
  if (object != nullptr) return object;
  tun->release();
  return nullptr;
}

}  // namespace

napi_value tunOpen(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  char name[IFNAMSIZ];
  napi_value callback = nullptr;
  if (!arguments.text(0, name, sizeof name) || !arguments.function(1, &callback)) return nullptr;
  const char* call = nullptr;
  const int fd = attach(name, &call);
  if (fd < 0) return throwErrno(env, -fd, call);
  return watched(env, fd, callback);
}

napi_value tunAdopt(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int64_t fd = -1;
  napi_value callback = nullptr;
  if (!arguments.integer(0, 3, INT32_MAX, &fd) || !arguments.function(1, &callback)) return nullptr;
  ifreq found = {};
  if (ioctl(static_cast<int>(fd), TUNGETIFF, &found) != 0 ||
      (found.ifr_flags & (IFF_TUN | IFF_NO_PI)) != (IFF_TUN | IFF_NO_PI)) {
    return throwErrno(env, ENODEV, "TUNGETIFF");
  }
  return watched(env, static_cast<int>(fd), callback);
}

napi_value tunRead(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Tun* tun = nullptr;
  Slots slots;
  size_t from = 0;
  size_t to = 0;
  int64_t packetSize = 0;
  if (!tunOf(arguments, &tun) || !arguments.slots(1, &slots) ||
      !arguments.range(4, slots.capacity(), &from, &to) ||
      !arguments.integer(6, 1, INT32_MAX, &packetSize)) {
    return nullptr;
  }
  size_t slot = from;
  while (slot < to && slots.bytes.holds(slots.offset.data[slot], packetSize)) {
    const ssize_t size = read(tun->fd(), slots.bytes.data + slots.offset.data[slot],
                              static_cast<size_t>(packetSize));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != EAGAIN) return number(env, -errno);
    if (size <= 0) break;
    // A packet that does not fit comes cut: its own header tells its reader.
    slots.length.data[slot++] = static_cast<int32_t>(size);
  }
  return number(env, static_cast<double>(slot - from));
}

napi_value tunWrite(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Tun* tun = nullptr;
  Slots slots;
  size_t from = 0;
  size_t to = 0;
  if (!tunOf(arguments, &tun) || !arguments.slots(1, &slots) ||
      !arguments.range(4, slots.capacity(), &from, &to)) {
    return nullptr;
  }
  for (size_t slot = from; slot < to;) {
    const int32_t length = slots.length.data[slot];
    const int32_t at = slots.offset.data[slot];
    if (length > 0 && slots.bytes.holds(at, length)) {
      const ssize_t size = write(tun->fd(), slots.bytes.data + at, static_cast<size_t>(length));
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == EAGAIN) {
        tun->wantWritable();
        return number(env, static_cast<double>(slot));
      }
      // The kernel refuses what is no IP packet, and all while the device is down: those are lost.
      if (size < 0 && errno == EBADF) return number(env, -EBADF);
    }
    slot++;
  }
  return number(env, static_cast<double>(to));
}

napi_value tunClose(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Tun* tun = nullptr;
  if (!arguments.object(0, kTag, &tun)) return nullptr;
  tun->close();
  return undefined(env);
}

}  // namespace pvpn
