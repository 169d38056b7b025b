/** UDP sockets that send and receive whole packet batches. */
#pragma once

#include <node_api.h>

namespace pvpn {

/** udpOpen(address, only6, receiveBuffer, sendBuffer, callback) -> handle; `address` is a socket address record. */
napi_value udpOpen(napi_env env, napi_callback_info info);
/** udpInfo(handle, Float64Array) fills in: port, receive buffer, send buffer, GRO, GSO, dropped */
napi_value udpInfo(napi_env env, napi_callback_info info);
/** udpReceive(handle, bytes, offset, length, address, region, packetSize, fresh) -> count, or a negative errno */
napi_value udpReceive(napi_env env, napi_callback_info info);
/** udpSend(handle, bytes, offset, length, address, from, to) -> first slot not taken, or a negative errno */
napi_value udpSend(napi_env env, napi_callback_info info);
/** udpWaiting(handle) -> bytes that wait to be received, the kernel's overhead included */
napi_value udpWaiting(napi_env env, napi_callback_info info);
/** udpRest(handle, microseconds) -> boolean: READABLE is not told before, and then in any case; 0: at once again; false: impossible */
napi_value udpRest(napi_env env, napi_callback_info info);
/** udpClose(handle) */
napi_value udpClose(napi_env env, napi_callback_info info);

}  // namespace pvpn
