#include "arguments.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

namespace pvpn {

Arguments::Arguments(napi_env env, napi_callback_info info) : env_(env) {
  size_t count = kMost;
  // Missing arguments are filled with undefined, which no getter accepts.
  if (napi_get_cb_info(env, info, &count, values_, nullptr, nullptr) != napi_ok) {
    for (napi_value& value : values_) value = nullptr;
  }
}

bool Arguments::refuse(size_t at, const char* expected, bool range) {
  char text[96];
  snprintf(text, sizeof text, "argument %zu: expected %s", at, expected);
  if (range) {
    napi_throw_range_error(env_, "ERR_OUT_OF_RANGE", text);
  } else {
    napi_throw_type_error(env_, "ERR_INVALID_ARG_TYPE", text);
  }
  return false;
}

bool Arguments::array(size_t at, napi_typedarray_type wanted, void** data, size_t* length) {
  bool typed = false;
  if (napi_is_typedarray(env_, values_[at], &typed) != napi_ok || !typed) return false;
  napi_typedarray_type type;
  return napi_get_typedarray_info(env_, values_[at], &type, length, data, nullptr, nullptr) ==
             napi_ok &&
         type == wanted;
}

bool Arguments::bytes(size_t at, Span<uint8_t>* out) {
  void* data = nullptr;
  if (!array(at, napi_uint8_array, &data, &out->length)) return refuse(at, "Uint8Array");
  out->data = static_cast<uint8_t*>(data);
  return true;
}

bool Arguments::ints(size_t at, Span<int32_t>* out) {
  void* data = nullptr;
  if (!array(at, napi_int32_array, &data, &out->length)) return refuse(at, "Int32Array");
  out->data = static_cast<int32_t*>(data);
  return true;
}

bool Arguments::doubles(size_t at, Span<double>* out) {
  void* data = nullptr;
  if (!array(at, napi_float64_array, &data, &out->length)) return refuse(at, "Float64Array");
  out->data = static_cast<double*>(data);
  return true;
}

bool Arguments::slots(size_t at, Slots* out) {
  return bytes(at, &out->bytes) && ints(at + 1, &out->offset) && ints(at + 2, &out->length);
}

bool Arguments::range(size_t at, size_t most, size_t* from, size_t* to) {
  int64_t first = 0;
  int64_t last = 0;
  if (!integer(at + 1, 0, static_cast<int64_t>(most), &last)) return false;
  if (!integer(at, 0, last, &first)) return false;
  *from = static_cast<size_t>(first);
  *to = static_cast<size_t>(last);
  return true;
}

bool Arguments::integer(size_t at, int64_t least, int64_t most, int64_t* out) {
  double value = 0;
  if (napi_get_value_double(env_, values_[at], &value) != napi_ok) return refuse(at, "number");
  // The comparison is also false for NaN; within ±2^53 the conversion is exact.
  const bool inside = value >= static_cast<double>(least) && value <= static_cast<double>(most);
  if (!inside || floor(value) != value) return refuse(at, "integer in range", true);
  *out = static_cast<int64_t>(value);
  return true;
}

bool Arguments::flag(size_t at, bool* out) {
  return napi_get_value_bool(env_, values_[at], out) == napi_ok || refuse(at, "boolean");
}

bool Arguments::function(size_t at, napi_value* out) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env_, values_[at], &type) != napi_ok || type != napi_function) {
    return refuse(at, "function");
  }
  *out = values_[at];
  return true;
}

bool Arguments::text(size_t at, char* out, size_t size) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env_, values_[at], nullptr, 0, &length) != napi_ok) {
    return refuse(at, "string");
  }
  if (length == 0 || length >= size) return refuse(at, "string of another length", true);
  return napi_get_value_string_utf8(env_, values_[at], out, size, &length) == napi_ok ||
         refuse(at, "string");
}

bool Arguments::unwrap(size_t at, const napi_type_tag& tag, void** out) {
  napi_valuetype type = napi_undefined;
  bool ours = false;
  if (napi_typeof(env_, values_[at], &type) != napi_ok || type != napi_object ||
      napi_check_object_type_tag(env_, values_[at], &tag, &ours) != napi_ok || !ours ||
      napi_unwrap(env_, values_[at], out) != napi_ok || *out == nullptr) {
    return refuse(at, "handle of the right kind");
  }
  return true;
}

napi_value wrap(napi_env env, void* data, const napi_type_tag& tag, napi_finalize finalize) {
  napi_value object = nullptr;
  if (napi_create_object(env, &object) != napi_ok ||
      napi_type_tag_object(env, object, &tag) != napi_ok ||
      napi_wrap(env, object, data, finalize, nullptr, nullptr) != napi_ok) {
    return nullptr;
  }
  return object;
}

napi_value number(napi_env env, double value) {
  napi_value out = nullptr;
  napi_create_double(env, value, &out);
  return out;
}

napi_value undefined(napi_env env) {
  napi_value out = nullptr;
  napi_get_undefined(env, &out);
  return out;
}

namespace {

struct Name {
  int error;
  const char* name;
};

/** What socket, bind, sendmsg and their kin answer; others come as their number. */
constexpr Name kNames[] = {
    {EACCES, "EACCES"},         {EADDRINUSE, "EADDRINUSE"},     {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
    {EAFNOSUPPORT, "EAFNOSUPPORT"}, {EAGAIN, "EAGAIN"},         {EBADF, "EBADF"},
    {ECONNREFUSED, "ECONNREFUSED"}, {ECONNRESET, "ECONNRESET"}, {EINVAL, "EINVAL"},
    {EIO, "EIO"},               {EMFILE, "EMFILE"},             {ENFILE, "ENFILE"},
    {ENOBUFS, "ENOBUFS"},       {ENODEV, "ENODEV"},             {ENOMEM, "ENOMEM"},
    {ENOTSOCK, "ENOTSOCK"},     {EPERM, "EPERM"},               {EPIPE, "EPIPE"},
    {EPROTONOSUPPORT, "EPROTONOSUPPORT"},
};

/** strerror_r returns the text (glibc) or a status, with the text in the buffer (musl). */
[[maybe_unused]] const char* described(const char* text, const char*) { return text; }
[[maybe_unused]] const char* described(int, const char* buffer) { return buffer; }

}  // namespace

napi_value throwErrno(napi_env env, int error, const char* call) {
  char code[24];
  snprintf(code, sizeof code, "E%d", error);
  for (const Name& known : kNames) {
    if (known.error == error) snprintf(code, sizeof code, "%s", known.name);
  }
  char text[160];
  char words[96] = "";
  snprintf(text, sizeof text, "%s %s: %s", call, code,
           described(strerror_r(error, words, sizeof words), words));
  napi_throw_error(env, code, text);
  return nullptr;
}

napi_value throwCode(napi_env env, const char* code, const char* message) {
  napi_throw_error(env, code, message);
  return nullptr;
}

}  // namespace pvpn
