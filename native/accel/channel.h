/** Unix sockets on which descriptors come (SCM_RIGHTS): Node's own sockets take none but sockets. */
#pragma once

#include <node_api.h>

namespace pvpn {

/** channelOpen(fd, callback) -> handle; reads from the socket through a descriptor of its own. */
napi_value channelOpen(napi_env env, napi_callback_info info);
/** channelRead(handle, bytes, descriptors) -> bytes of one message, 0 at the end, or a negative errno */
napi_value channelRead(napi_env env, napi_callback_info info);
/** channelSend(handle, bytes) -> bytes sent as one message, or a negative errno */
napi_value channelSend(napi_env env, napi_callback_info info);
/** channelClose(handle) */
napi_value channelClose(napi_env env, napi_callback_info info);
/** descriptorClose(fd) */
napi_value descriptorClose(napi_env env, napi_callback_info info);

}  // namespace pvpn
