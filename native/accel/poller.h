/**
 * A descriptor watched by Node's event loop, with a JavaScript function told when it can be read or
 * written. Lives until its loop handle is closed *and* its JavaScript object is collected.
 */
#pragma once

#include <node_api.h>

#include "host.h"

namespace pvpn {

class Poller {
 public:
  /**
   * Takes the descriptor over (also when it fails) and watches it for reading. `callback(events)` gets
   * kReadable | kWritable, or a negative errno when the descriptor is broken. Throws and returns false on failure.
   */
  bool open(napi_env env, int fd, napi_value callback);
  /** Stops watching and closes the descriptor; idempotent. The callback is not called again. */
  void close();
  /** Tells when it can be written, once. */
  void wantWritable();
  /** Stops telling that it can be read, or tells it again. */
  void wantReadable(bool wanted);
  /** The function that is told; null when there is none any more. */
  napi_value callback() const;

  bool closed() const { return fd_ < 0; }
  int fd() const { return fd_; }

  /** The JavaScript object is gone. */
  void release();

  virtual ~Poller() = default;

 protected:
  Poller() = default;

 private:
  static void onPoll(UvHandle* handle, int status, int events);
  static void onClosed(UvHandle* handle);
  static void onTeardown(napi_async_cleanup_hook_handle hook, void* data);

  void poll(int status, int events);
  void call(int events);
  bool watch();
  void freeIfUnused();

  napi_env env_ = nullptr;
  int fd_ = -1;
  UvHandle* handle_ = nullptr;
  napi_ref callback_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool readable_ = true;
  bool writable_ = false;
  bool released_ = false;
};

}  // namespace pvpn
