/** The Internet checksum (RFC 1071). */
#pragma once

#include <node_api.h>

namespace pvpn {

/** checksum(bytes, at, length, sum) -> folded 16-bit sum, not complemented; `sum` is what to begin with. */
napi_value checksum(napi_env env, napi_callback_info info);
/** Of whole batches: PacketChecksums (src/core/packet-checksums.ts). */
napi_value checksumSum(napi_env env, napi_callback_info info);
napi_value checksumComplete(napi_env env, napi_callback_info info);

}  // namespace pvpn
