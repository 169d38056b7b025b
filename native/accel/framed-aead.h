/** Sealing and opening of packet batches in OpenVPN's framing: header | packet id | tag | ciphertext. */
#pragma once

#include <node_api.h>

namespace pvpn {

/** framedNew(algorithm, key, implicitNonce, sealing) -> handle. Throws when a size does not fit. */
napi_value framedNew(napi_env env, napi_callback_info info);
/** framedSeal(handle, bytes, offset, length, from, to, header, packetId) -> the next packet id */
napi_value framedSeal(napi_env env, napi_callback_info info);
/** framedOpen(handle, bytes, offset, length, from, to, headerSize, packetIds) */
napi_value framedOpen(napi_env env, napi_callback_info info);
/** framedFree(handle): forgets the key now; later calls throw. */
napi_value framedFree(napi_env env, napi_callback_info info);

}  // namespace pvpn
