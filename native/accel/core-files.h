/** Core files hold the memory of a process that crashed, keys included. */
#pragma once

#include <node_api.h>

namespace pvpn {

/** noCoreFiles() -> true when this process and those it starts from now on leave none (setrlimit). */
napi_value noCoreFiles(napi_env env, napi_callback_info info);

}  // namespace pvpn
