/** Sealing and opening of packet batches with the OpenSSL of the process. */
#pragma once

#include <node_api.h>

namespace pvpn {

/** cipherNew(algorithm, key) -> handle. Throws when the algorithm or the key's size is unknown. */
napi_value cipherNew(napi_env env, napi_callback_info info);
/** cipherSeal(handle, bytes, offset, length, from, to, counter) */
napi_value cipherSeal(napi_env env, napi_callback_info info);
/** cipherOpen(handle, bytes, offset, length, from, to, counters) */
napi_value cipherOpen(napi_env env, napi_callback_info info);
/** cipherFree(handle): forgets the key now; later calls throw. */
napi_value cipherFree(napi_env env, napi_callback_info info);

}  // namespace pvpn
