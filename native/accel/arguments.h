/**
 * Arguments of a call from JavaScript. Nothing that comes from there is believed: each getter checks
 * kind and range, and throws a TypeError or RangeError (once) when it does not fit. Typed arrays are
 * asked for their memory on every call, because a script may have detached or shrunk it since.
 */
#pragma once

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

namespace pvpn {

template <typename T>
struct Span {
  T* data = nullptr;
  size_t length = 0;

  /** Are [at, at + size) elements of it? Any two integers may be asked about. */
  bool holds(int64_t at, int64_t size) const {
    if (at < 0 || size < 0) return false;
    const uint64_t start = static_cast<uint64_t>(at);
    return start <= length && static_cast<uint64_t>(size) <= length - start;
  }
};

/** Packets of a `PacketBatch` (src/core/packet-batch.ts): memory, and where each packet lies in it. */
struct Slots {
  Span<uint8_t> bytes;
  Span<int32_t> offset;
  Span<int32_t> length;

  size_t capacity() const { return offset.length < length.length ? offset.length : length.length; }
};

class Arguments {
 public:
  static constexpr size_t kMost = 10;

  Arguments(napi_env env, napi_callback_info info);

  bool bytes(size_t at, Span<uint8_t>* out);
  bool ints(size_t at, Span<int32_t>* out);
  bool doubles(size_t at, Span<double>* out);
  /** `bytes`, `offset` and `length` as three arguments from `at` on. */
  bool slots(size_t at, Slots* out);
  /** `from` and `to` as two arguments from `at` on: 0 <= from <= to <= most. */
  bool range(size_t at, size_t most, size_t* from, size_t* to);
  /** An integer of least … most. */
  bool integer(size_t at, int64_t least, int64_t most, int64_t* out);
  bool flag(size_t at, bool* out);
  bool function(size_t at, napi_value* out);
  /** A string of 1 … size-1 bytes, with its end. */
  bool text(size_t at, char* out, size_t size);
  /** What `wrap` put into an object under the same tag; a closed one is null and throws too. */
  template <typename T>
  bool object(size_t at, const napi_type_tag& tag, T** out) {
    void* found = nullptr;
    if (!unwrap(at, tag, &found)) return false;
    *out = static_cast<T*>(found);
    return true;
  }

  napi_env env() const { return env_; }

 private:
  bool array(size_t at, napi_typedarray_type type, void** data, size_t* length);
  bool unwrap(size_t at, const napi_type_tag& tag, void** out);
  bool refuse(size_t at, const char* expected, bool range = false);

  napi_env env_;
  napi_value values_[kMost];
};

/** An object that carries `data` under a tag; `finalize` runs when it is collected. Null when it failed. */
napi_value wrap(napi_env env, void* data, const napi_type_tag& tag, napi_finalize finalize);

napi_value number(napi_env env, double value);
napi_value undefined(napi_env env);

/** Throws an Error whose `code` is the name of the errno (`EADDRINUSE`). Returns null, to be returned. */
napi_value throwErrno(napi_env env, int error, const char* call);
napi_value throwCode(napi_env env, const char* code, const char* message);

}  // namespace pvpn
