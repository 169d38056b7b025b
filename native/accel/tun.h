/** TUN devices: IP packets of the kernel, in batches. */
#pragma once

#include <node_api.h>

namespace pvpn {

/** tunOpen(name, callback) -> handle; the device is made when there is none (needs CAP_NET_ADMIN). */
napi_value tunOpen(napi_env env, napi_callback_info info);
/** tunAdopt(fd, callback) -> handle for a device that another process has made; takes the descriptor over, unless it throws ENODEV. */
napi_value tunAdopt(napi_env env, napi_callback_info info);
/** tunRead(handle, bytes, offset, length, from, to, packetSize) -> packets read, or a negative errno */
napi_value tunRead(napi_env env, napi_callback_info info);
/** tunWrite(handle, bytes, offset, length, from, to) -> first slot not taken, or a negative errno */
napi_value tunWrite(napi_env env, napi_callback_info info);
/** tunClose(handle) */
napi_value tunClose(napi_env env, napi_callback_info info);

}  // namespace pvpn
