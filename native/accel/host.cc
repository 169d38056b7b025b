#include "host.h"

#include <dlfcn.h>
#include <string.h>

namespace pvpn {
namespace {

template <typename F>
bool find(F* out, const char* name) {
  void* found = dlsym(RTLD_DEFAULT, name);
  static_assert(sizeof found == sizeof *out, "function pointers are pointers");
  memcpy(out, &found, sizeof found);
  return found != nullptr;
}

bool findOpenSsl(OpenSsl* out) {
  return find(&out->contextNew, "EVP_CIPHER_CTX_new") &&
         find(&out->contextFree, "EVP_CIPHER_CTX_free") &&
         find(&out->contextControl, "EVP_CIPHER_CTX_ctrl") &&
         find(&out->init, "EVP_CipherInit_ex") && find(&out->update, "EVP_CipherUpdate") &&
         find(&out->final, "EVP_CipherFinal_ex") && find(&out->clearErrors, "ERR_clear_error") &&
         find(&out->chacha20Poly1305, "EVP_chacha20_poly1305") &&
         find(&out->aes128Gcm, "EVP_aes_128_gcm") && find(&out->aes192Gcm, "EVP_aes_192_gcm") &&
         find(&out->aes256Gcm, "EVP_aes_256_gcm");
}

bool findPrimitives(Primitives* out) {
  return find(&out->chacha20, "ChaCha20_ctr32") && find(&out->polySize, "Poly1305_ctx_size") &&
         find(&out->polyInit, "Poly1305_Init") && find(&out->polyUpdate, "Poly1305_Update") &&
         find(&out->polyFinal, "Poly1305_Final");
}

bool findUv(Uv* out) {
  if (!find(&out->pollInit, "uv_poll_init") || !find(&out->pollStart, "uv_poll_start") ||
      !find(&out->pollStop, "uv_poll_stop") || !find(&out->close, "uv_close") ||
      !find(&out->setData, "uv_handle_set_data") || !find(&out->getData, "uv_handle_get_data") ||
      !find(&out->handleSize, "uv_handle_size") || !find(&out->typeName, "uv_handle_type_name")) {
    return false;
  }
  // The number of the handle's kind is declared here by hand: a libuv that counts otherwise is refused.
  const char* name = out->typeName(Uv::kPoll);
  return name != nullptr && strcmp(name, "poll") == 0;
}

bool findV8(V8* out) {
  return find(&out->current, "_ZN2v87Isolate10GetCurrentEv") &&
         find(&out->lowMemory, "_ZN2v87Isolate21LowMemoryNotificationEv");
}

}  // namespace

const OpenSsl* openSsl() {
  static OpenSsl functions;
  static const bool found = findOpenSsl(&functions);
  return found ? &functions : nullptr;
}

const Primitives* primitives() {
  static Primitives functions;
  static const bool found = findPrimitives(&functions);
  return found ? &functions : nullptr;
}

const Uv* uv() {
  static Uv functions;
  static const bool found = findUv(&functions);
  return found ? &functions : nullptr;
}

const V8* v8() {
  static V8 functions;
  static const bool found = findV8(&functions);
  return found ? &functions : nullptr;
}

}  // namespace pvpn
