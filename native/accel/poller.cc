#include "poller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arguments.h"

namespace pvpn {

bool Poller::open(napi_env env, int fd, napi_value callback) {
  env_ = env;
  fd_ = fd;
  uv_loop_s* loop = nullptr;
  napi_value name = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok ||
      napi_create_reference(env, callback, 1, &callback_) != napi_ok ||
      napi_create_string_utf8(env, "pvpn", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, nullptr, name, &context_) != napi_ok) {
    close();
    throwCode(env, "ERR_INTERNAL", "no event loop");
    return false;
  }
  handle_ = static_cast<UvHandle*>(calloc(1, uv()->handleSize(Uv::kPoll)));
  const int refused = handle_ == nullptr ? -ENOMEM : uv()->pollInit(loop, handle_, fd);
  if (refused != 0) {
    free(handle_);
    handle_ = nullptr;
    close();
    throwErrno(env, -refused, "poll");
    return false;
  }
  uv()->setData(handle_, this);
  napi_add_async_cleanup_hook(env, onTeardown, this, &hook_);
  if (watch()) return true;
  close();
  throwErrno(env, EBADF, "poll");
  return false;
}

void Poller::close() {
  if (callback_ != nullptr) napi_delete_reference(env_, callback_);
  if (context_ != nullptr) napi_async_destroy(env_, context_);
  callback_ = nullptr;
  context_ = nullptr;
  if (fd_ < 0) return;
  if (handle_ != nullptr) {
    // The loop lets go of the descriptor here, before its number can be given to another file.
    uv()->pollStop(handle_);
    uv()->close(handle_, onClosed);
  }
  ::close(fd_);
  fd_ = -1;
}

void Poller::wantWritable() {
  if (closed() || writable_) return;
  writable_ = true;
  watch();
}

void Poller::wantReadable(bool wanted) {
  if (closed() || readable_ == wanted) return;
  readable_ = wanted;
  watch();
}

napi_value Poller::callback() const {
  napi_value callback = nullptr;
  if (callback_ != nullptr) napi_get_reference_value(env_, callback_, &callback);
  return callback;
}

void Poller::release() {
  released_ = true;
  close();
  freeIfUnused();
}

bool Poller::watch() {
  const int events = (readable_ ? Uv::kReadable : 0) | (writable_ ? Uv::kWritable : 0);
  return uv()->pollStart(handle_, events, onPoll) == 0;
}

void Poller::freeIfUnused() {
  if (released_ && handle_ == nullptr) delete this;
}

void Poller::onPoll(UvHandle* handle, int status, int events) {
  static_cast<Poller*>(uv()->getData(handle))->poll(status, events);
}

void Poller::poll(int status, int events) {
  if (closed()) return;
  if (status < 0) {
    // libuv stops on EPOLLERR. On a socket it is mostly a pending error, which reading it clears.
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error == 0 || !watch()) {
      call(status);
    }
    return;
  }
  if ((events & Uv::kWritable) != 0) {
    writable_ = false;
    watch();
  }
  call(events);
}

void Poller::call(int events) {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value function = callback();
  napi_value receiver = nullptr;
  napi_value argument = nullptr;
  const napi_env env = env_;  // the callback may end this object
  if (function != nullptr && napi_get_global(env, &receiver) == napi_ok &&
      napi_create_int32(env, events, &argument) == napi_ok &&
      napi_make_callback(env, context_, receiver, function, 1, &argument, nullptr) ==
          napi_pending_exception) {
    napi_value thrown = nullptr;
    if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) {
      napi_fatal_exception(env, thrown);
    }
  }
  napi_close_handle_scope(env, scope);
}

void Poller::onClosed(UvHandle* handle) {
  Poller* poller = static_cast<Poller*>(uv()->getData(handle));
  free(handle);
  poller->handle_ = nullptr;
  if (poller->hook_ != nullptr) napi_remove_async_cleanup_hook(poller->hook_);
  poller->hook_ = nullptr;
  poller->freeIfUnused();
}

void Poller::onTeardown(napi_async_cleanup_hook_handle hook, void* data) {
  Poller* poller = static_cast<Poller*>(data);
  poller->hook_ = hook;
  // Already closing: onClosed removes the hook when the loop gets there.
  poller->close();
}

}  // namespace pvpn
