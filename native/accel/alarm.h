/** A timer finer than libuv's, which counts milliseconds: a timerfd in Node's event loop. */
#pragma once

#include <stdint.h>

#include "poller.h"

namespace pvpn {

class Alarm : public Poller {
 public:
  /** `callback` gets kReadable when the time is over. Null when there can be none; an exception may be pending. */
  static Alarm* create(napi_env env, napi_value callback);
  /** Rings once, this many microseconds from now; 0: not at all. What has rung and was not told is forgotten. */
  void set(int64_t microseconds);
};

}  // namespace pvpn
