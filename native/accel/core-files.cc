#include "core-files.h"

#include <sys/resource.h>

namespace pvpn {

napi_value noCoreFiles(napi_env env, napi_callback_info) {
  rlimit limit;
  bool done = getrlimit(RLIMIT_CORE, &limit) == 0;
  if (done) {
    // The hard limit stays: whoever wants a core file for a search can still ask for one (prlimit).
    limit.rlim_cur = 0;
    done = setrlimit(RLIMIT_CORE, &limit) == 0;
  }
  napi_value result = nullptr;
  napi_get_boolean(env, done, &result);
  return result;
}

}  // namespace pvpn
