/**
 * Functions of the process we are loaded into: OpenSSL, libuv and V8, which Node brings along and exports.
 * They are looked up by name and declared here, so that the addon needs no header but node_api.h and
 * a Node without one of them (another crypto library, say) means a missing feature, not a failed load.
 */
#pragma once

#include <stddef.h>

struct uv_loop_s;

namespace pvpn {

struct EvpContext;
struct EvpCipher;
struct Engine;

/** The few functions of OpenSSL's libcrypto; signatures as in its <openssl/evp.h> since 1.1.0. */
struct OpenSsl {
  EvpContext* (*contextNew)();
  void (*contextFree)(EvpContext*);
  int (*contextControl)(EvpContext*, int type, int arg, void* data);
  int (*init)(EvpContext*, const EvpCipher*, Engine*, const unsigned char* key,
              const unsigned char* iv, int encrypt);
  int (*update)(EvpContext*, unsigned char* out, int* outLength, const unsigned char* in,
                int inLength);
  int (*final)(EvpContext*, unsigned char* out, int* outLength);
  void (*clearErrors)();
  const EvpCipher* (*chacha20Poly1305)();
  const EvpCipher* (*aes128Gcm)();
  const EvpCipher* (*aes192Gcm)();
  const EvpCipher* (*aes256Gcm)();

  static constexpr int kGetTag = 0x10;  // EVP_CTRL_AEAD_GET_TAG
  static constexpr int kSetTag = 0x11;  // EVP_CTRL_AEAD_SET_TAG
};

/**
 * What OpenSSL's ChaCha20-Poly1305 is made of; signatures as in its include/crypto/chacha.h and poly1305.h
 * since 1.1.0. Not of its public interface: chacha20-poly1305.cc checks what they do before it uses them.
 */
struct Primitives {
  void (*chacha20)(unsigned char* out, const unsigned char* in, size_t length,
                   const unsigned int key[8], const unsigned int counter[4]);  // ChaCha20_ctr32
  size_t (*polySize)();
  void (*polyInit)(void* state, const unsigned char key[32]);
  void (*polyUpdate)(void* state, const unsigned char* in, size_t length);
  void (*polyFinal)(void* state, unsigned char tag[16]);
};

struct UvHandle;

/** libuv's poll handles; signatures as in <uv.h> of every 1.x. */
struct Uv {
  int (*pollInit)(uv_loop_s*, UvHandle*, int fd);
  int (*pollStart)(UvHandle*, int events, void (*)(UvHandle*, int status, int events));
  int (*pollStop)(UvHandle*);
  void (*close)(UvHandle*, void (*)(UvHandle*));
  void (*setData)(UvHandle*, void*);
  void* (*getData)(const UvHandle*);
  size_t (*handleSize)(int type);
  const char* (*typeName)(int type);

  static constexpr int kPoll = 8;      // UV_POLL
  static constexpr int kReadable = 1;  // UV_READABLE
  static constexpr int kWritable = 2;  // UV_WRITABLE
};

/** The one request to V8 that N-API has no function for; C++ members, by the names that every compiler here gives them. */
struct V8 {
  void* (*current)();          // v8::Isolate::GetCurrent
  void (*lowMemory)(void*);    // v8::Isolate::LowMemoryNotification
};

/** Null when the process does not export all of it. */
const OpenSsl* openSsl();
const Primitives* primitives();
const Uv* uv();
const V8* v8();

}  // namespace pvpn
