/** Memory that a process holds and does not need: garbage, what the C library keeps, buffers between two uses. */
#pragma once

#include <node_api.h>

namespace pvpn {

/**
 * releaseMemory() -> true when garbage could be collected: collects all of it, shrinks the heap's young
 * generation to its first size, and gives free memory of malloc back to the kernel. Tens of
 * milliseconds, in which nothing else runs.
 */
napi_value releaseMemory(napi_env env, napi_callback_info info);
/** releasePages(bytes): the whole pages inside go back to the kernel and read as zeros from then on. */
napi_value releasePages(napi_env env, napi_callback_info info);
/**
 * keepMemory(most) -> true when malloc does so: up to `most` bytes that were freed stay with the process, to be
 * taken again without the kernel's help, until `releaseMemory`.
 */
napi_value keepMemory(napi_env env, napi_callback_info info);

}  // namespace pvpn
