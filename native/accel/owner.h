/** Who has the other end of a connection on this host. */
#pragma once

#include <node_api.h>

namespace pvpn {

/** socketOwner(local, localPort, remote, remotePort, out: [uid, inode]) -> 0, or a negative errno. */
napi_value socketOwner(napi_env env, napi_callback_info info);

/** peerCredentials(fd, out: [pid, uid, gid]) -> 0, or a negative errno. */
napi_value peerCredentials(napi_env env, napi_callback_info info);

/** socketDescriptor(pid, inode) -> the process's descriptor of that socket, or a negative errno. */
napi_value socketDescriptor(napi_env env, napi_callback_info info);

}  // namespace pvpn
