/** What the addon exports; src/native/contract.ts has the same in types. */
#include <node_api.h>

#include "channel.h"
#include "checksum.h"
#include "cipher.h"
#include "core-files.h"
#include "framed-aead.h"
#include "host.h"
#include "memory.h"
#include "owner.h"
#include "streams.h"
#include "tun.h"
#include "udp.h"

namespace {

struct Export {
  const char* name;
  napi_callback function;
};

constexpr Export kAlways[] = {
    {"checksum", pvpn::checksum},
    {"checksumSum", pvpn::checksumSum},
    {"checksumComplete", pvpn::checksumComplete},
    {"noCoreFiles", pvpn::noCoreFiles},
    {"releaseMemory", pvpn::releaseMemory},
    {"keepMemory", pvpn::keepMemory},
    {"releasePages", pvpn::releasePages},
    {"socketOwner", pvpn::socketOwner},
    {"peerCredentials", pvpn::peerCredentials},
    {"socketDescriptor", pvpn::socketDescriptor},
};
constexpr Export kCipher[] = {
    {"cipherNew", pvpn::cipherNew},
    {"cipherSeal", pvpn::cipherSeal},
    {"cipherOpen", pvpn::cipherOpen},
    {"cipherFree", pvpn::cipherFree},
    {"framedNew", pvpn::framedNew},
    {"framedSeal", pvpn::framedSeal},
    {"framedOpen", pvpn::framedOpen},
    {"framedFree", pvpn::framedFree},
};
constexpr Export kDescriptors[] = {
    {"udpOpen", pvpn::udpOpen},       {"udpInfo", pvpn::udpInfo},   {"udpReceive", pvpn::udpReceive},
    {"udpWaiting", pvpn::udpWaiting}, {"udpRest", pvpn::udpRest}, {"udpSend", pvpn::udpSend},       {"udpClose", pvpn::udpClose}, {"tunOpen", pvpn::tunOpen},
    {"tunAdopt", pvpn::tunAdopt},     {"tunRead", pvpn::tunRead},       {"tunWrite", pvpn::tunWrite}, {"tunClose", pvpn::tunClose},
    {"channelOpen", pvpn::channelOpen},
    {"channelRead", pvpn::channelRead},
    {"channelSend", pvpn::channelSend},
    {"channelClose", pvpn::channelClose},
    {"descriptorClose", pvpn::descriptorClose},
    {"hubOpen", pvpn::hubOpen},
    {"hubClose", pvpn::hubClose},
    {"hubListen", pvpn::hubListen},
    {"hubListenUnix", pvpn::hubListenUnix},
    {"hubWait", pvpn::hubWait},
    {"hubAccept", pvpn::hubAccept},
    {"hubName", pvpn::hubName},
    {"hubRead", pvpn::hubRead},
    {"hubWrite", pvpn::hubWrite},
    {"hubError", pvpn::hubError},
    {"hubRearm", pvpn::hubRearm},
    {"hubShutdown", pvpn::hubShutdown},
    {"hubDrop", pvpn::hubDrop},
    {"hubTake", pvpn::hubTake},
    {"hubDescriptor", pvpn::hubDescriptor},
};

template <size_t N>
void add(napi_env env, napi_value exports, const Export (&list)[N]) {
  for (const Export& item : list) {
    napi_value function = nullptr;
    if (napi_create_function(env, item.name, NAPI_AUTO_LENGTH, item.function, nullptr, &function) ==
        napi_ok) {
      napi_set_named_property(env, exports, item.name, function);
    }
  }
}

}  // namespace

NAPI_MODULE_INIT() {
  add(env, exports, kAlways);
  // A feature that this Node can't carry is left out, and its twin used.
  if (pvpn::openSsl() != nullptr) add(env, exports, kCipher);
  if (pvpn::uv() != nullptr) add(env, exports, kDescriptors);
  return exports;
}
