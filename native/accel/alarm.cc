#include "alarm.h"

#include <new>
#include <sys/timerfd.h>
#include <unistd.h>

namespace pvpn {
namespace {

constexpr int64_t kSecond = 1000000;

}  // namespace

Alarm* Alarm::create(napi_env env, napi_value callback) {
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) return nullptr;
  Alarm* alarm = new (std::nothrow) Alarm();
  if (alarm == nullptr) {
    ::close(fd);
    return nullptr;
  }
  if (alarm->open(env, fd, callback)) return alarm;
  alarm->release();
  return nullptr;
}

void Alarm::set(int64_t microseconds) {
  if (closed()) return;
  itimerspec time = {};
  time.it_value.tv_sec = microseconds / kSecond;
  time.it_value.tv_nsec = microseconds % kSecond * 1000;
  timerfd_settime(fd(), 0, &time, nullptr);
}

}  // namespace pvpn
