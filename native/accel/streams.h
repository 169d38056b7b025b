/** Exports for listening sockets and connections: see `AccelStreams` in src/native/contract.ts. */
#pragma once

#include <node_api.h>

namespace pvpn {

napi_value hubOpen(napi_env env, napi_callback_info info);
napi_value hubClose(napi_env env, napi_callback_info info);
napi_value hubListen(napi_env env, napi_callback_info info);
napi_value hubListenUnix(napi_env env, napi_callback_info info);
napi_value hubWait(napi_env env, napi_callback_info info);
napi_value hubAccept(napi_env env, napi_callback_info info);
napi_value hubName(napi_env env, napi_callback_info info);
napi_value hubRead(napi_env env, napi_callback_info info);
napi_value hubWrite(napi_env env, napi_callback_info info);
napi_value hubError(napi_env env, napi_callback_info info);
napi_value hubRearm(napi_env env, napi_callback_info info);
napi_value hubShutdown(napi_env env, napi_callback_info info);
napi_value hubDrop(napi_env env, napi_callback_info info);
napi_value hubTake(napi_env env, napi_callback_info info);
napi_value hubDescriptor(napi_env env, napi_callback_info info);

}  // namespace pvpn
