#include "memory.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arguments.h"
#include "host.h"

namespace pvpn {
namespace {

/** Pieces from this size on, in bytes, come from the kernel one by one and go back to it at once. */
constexpr int kMappedSingly = 4 << 20;

}  // namespace

/** Whole pages alone: what shares a page with another allocation stays. */
napi_value releasePages(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Span<uint8_t> bytes;
  if (!arguments.bytes(0, &bytes)) return nullptr;
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t start = reinterpret_cast<uintptr_t>(bytes.data);
  const uintptr_t from = (start + page - 1) & ~(page - 1);
  const uintptr_t to = (start + bytes.length) & ~(page - 1);
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
  return undefined(env);
}

napi_value releaseMemory(napi_env env, napi_callback_info) {
  const V8* engine = v8();
  void* isolate = engine == nullptr ? nullptr : engine->current();
  if (isolate != nullptr) engine->lowMemory(isolate);
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  napi_value result = nullptr;
  napi_get_boolean(env, isolate != nullptr, &result);
  return result;
}

napi_value keepMemory(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int64_t most = 0;
  if (!arguments.integer(0, 0, INT32_MAX, &most)) return nullptr;
  bool kept = false;
#ifdef __GLIBC__
  // With one of them set malloc leaves off adapting the other; what is mapped singly is never kept.
  kept = mallopt(M_TRIM_THRESHOLD, static_cast<int>(most)) == 1 &&
         mallopt(M_MMAP_THRESHOLD, kMappedSingly) == 1;
#endif
  napi_value result = nullptr;
  napi_get_boolean(env, kept, &result);
  return result;
}

}  // namespace pvpn
