/**
 * By OpenSSL's primitives where the process exports them (chacha20-poly1305.h), else by one OpenSSL
 * context per key and direction, of which only the nonce is set anew per packet, because fetching the
 * algorithm and scheduling the key cost more than a packet.
 */
#include "cipher.h"

#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "chacha20-poly1305.h"
#include "host.h"

namespace pvpn {
namespace {

constexpr napi_type_tag kTag = {0x9d1f3a6be0574c21, 0x8b6ff0b1c74e9d02};
constexpr int kTagSize = 16;
constexpr size_t kNonceSize = 12;
constexpr double kMostCounter = 9007199254740991.0;  // 2^53 - 1
constexpr double kCounterEnd = 18446744073709551616.0;  // 2^64

/** Where the packet counter stands in the nonce; the bytes before and behind are the key's own. */
struct NonceLayout {
  size_t at;
  size_t size;
  bool littleEndian;
};

struct Algorithm {
  const EvpCipher* (*OpenSsl::*cipher)();
  size_t keySize;
  NonceLayout nonce;
  /** By the primitives where they are there. */
  bool direct;
};

/** By number, as src/native/contract.ts names them. */
constexpr Algorithm kAlgorithms[] = {
    // RFC 8439 in WireGuard's form: four zero bytes, then the counter.
    {&OpenSsl::chacha20Poly1305, 32, {4, 8, true}, true},
    {&OpenSsl::chacha20Poly1305, 32, {4, 8, true}, false},
};
constexpr int64_t kAlgorithmCount = sizeof kAlgorithms / sizeof kAlgorithms[0];

struct Cipher {
  const Algorithm* algorithm;
  /** Has it a key? */
  bool usable;
  /** `primitives` has the key, and there are no contexts. */
  bool direct;
  ChaCha20Poly1305 primitives;
  EvpContext* seal;
  EvpContext* open;
  uint8_t nonce[kNonceSize];
};

void forget(Cipher* cipher) {
  // OpenSSL cleanses the key when it frees a context.
  if (cipher->seal != nullptr) openSsl()->contextFree(cipher->seal);
  if (cipher->open != nullptr) openSsl()->contextFree(cipher->open);
  cipher->seal = nullptr;
  cipher->open = nullptr;
  cipher->primitives.wipe();
  cipher->usable = false;
}

void finalize(napi_env, void* data, void*) {
  Cipher* cipher = static_cast<Cipher*>(data);
  forget(cipher);
  free(cipher);
}

void setCounter(Cipher* cipher, uint64_t counter) {
  const NonceLayout& layout = cipher->algorithm->nonce;
  for (size_t i = 0; i < layout.size; i++) {
    const size_t place = layout.littleEndian ? i : layout.size - 1 - i;
    cipher->nonce[layout.at + place] = static_cast<uint8_t>(counter >> (8 * i));
  }
}

/** `before`: bytes of the same memory in front of the packet. */
bool sealOne(const OpenSsl& ssl, Cipher* cipher, uint8_t* packet, int length, size_t before,
             uint64_t counter) {
  if (cipher->direct) {
    cipher->primitives.seal(packet, static_cast<size_t>(length), before, counter);
    return true;
  }
  setCounter(cipher, counter);
  int done = 0;
  int rest = 0;
  return ssl.init(cipher->seal, nullptr, nullptr, nullptr, cipher->nonce, 1) == 1 &&
         ssl.update(cipher->seal, packet, &done, packet, length) == 1 &&
         ssl.final(cipher->seal, packet + done, &rest) == 1 && done + rest == length &&
         ssl.contextControl(cipher->seal, OpenSsl::kGetTag, kTagSize, packet + length) == 1;
}

bool openOne(const OpenSsl& ssl, Cipher* cipher, uint8_t* packet, int length, size_t before,
             uint64_t counter) {
  if (cipher->direct) {
    return cipher->primitives.open(packet, static_cast<size_t>(length), before, counter);
  }
  setCounter(cipher, counter);
  int done = 0;
  int rest = 0;
  return ssl.init(cipher->open, nullptr, nullptr, nullptr, cipher->nonce, 0) == 1 &&
         ssl.contextControl(cipher->open, OpenSsl::kSetTag, kTagSize, packet + length) == 1 &&
         ssl.update(cipher->open, packet, &done, packet, length) == 1 &&
         ssl.final(cipher->open, packet + done, &rest) == 1 && done + rest == length;
}

bool makeContexts(const OpenSsl& ssl, Cipher* cipher, const uint8_t* key) {
  cipher->seal = ssl.contextNew();
  cipher->open = ssl.contextNew();
  const EvpCipher* evp = (ssl.*cipher->algorithm->cipher)();
  return cipher->seal != nullptr && cipher->open != nullptr &&
         ssl.init(cipher->seal, evp, nullptr, key, nullptr, 1) == 1 &&
         ssl.init(cipher->open, evp, nullptr, key, nullptr, 0) == 1;
}

bool usable(Arguments& arguments, Cipher** cipher) {
  if (!arguments.object(0, kTag, cipher)) return false;
  if ((*cipher)->usable) return true;
  throwCode(arguments.env(), "ERR_INVALID_STATE", "the cipher's key was forgotten");
  return false;
}

}  // namespace

napi_value cipherNew(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int64_t number = 0;
  Span<uint8_t> key;
  if (!arguments.integer(0, 0, kAlgorithmCount - 1, &number) || !arguments.bytes(1, &key)) {
    return nullptr;
  }
  const Algorithm& algorithm = kAlgorithms[number];
  if (key.length != algorithm.keySize) {
    return throwCode(env, "ERR_CRYPTO_INVALID_KEYLEN", "the key's size does not fit the algorithm");
  }
  const OpenSsl& ssl = *openSsl();
  Cipher* cipher = static_cast<Cipher*>(calloc(1, sizeof(Cipher)));
  if (cipher == nullptr) return throwCode(env, "ENOMEM", "no memory for a cipher");
  cipher->algorithm = &algorithm;
  cipher->direct = algorithm.direct && ChaCha20Poly1305::available();
  cipher->usable = cipher->direct || makeContexts(ssl, cipher, key.data);
  if (cipher->direct) cipher->primitives.setKey(key.data);
  napi_value object = cipher->usable ? wrap(env, cipher, kTag, finalize) : nullptr;
  if (object != nullptr) return object;
  ssl.clearErrors();
  finalize(env, cipher, nullptr);
  return throwCode(env, "ERR_CRYPTO_UNSUPPORTED_OPERATION", "OpenSSL refused the algorithm");
}

napi_value cipherSeal(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Cipher* cipher = nullptr;
  Slots slots;
  size_t from = 0;
  size_t to = 0;
  int64_t counter = 0;
  if (!usable(arguments, &cipher) || !arguments.slots(1, &slots) ||
      !arguments.range(4, slots.capacity(), &from, &to)) {
    return nullptr;
  }
  // No counter may wrap or be rounded to one used before: a nonce used twice gives the key's stream away.
  const int64_t most = static_cast<int64_t>(kMostCounter) - static_cast<int64_t>(to - from);
  if (!arguments.integer(6, 0, most, &counter)) return nullptr;
  const OpenSsl& ssl = *openSsl();
  for (size_t i = from; i < to; i++) {
    const int32_t length = slots.length.data[i];
    if (length <= 0) continue;
    const int32_t at = slots.offset.data[i];
    const bool sealed =
        slots.bytes.holds(at, static_cast<int64_t>(length) + kTagSize) &&
        sealOne(ssl, cipher, slots.bytes.data + at, length, static_cast<size_t>(at),
                static_cast<uint64_t>(counter) + (i - from));
    slots.length.data[i] = sealed ? length + kTagSize : -1;
  }
  return undefined(env);
}

napi_value cipherOpen(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Cipher* cipher = nullptr;
  Slots slots;
  Span<double> counters;
  size_t from = 0;
  size_t to = 0;
  if (!usable(arguments, &cipher) || !arguments.slots(1, &slots) ||
      !arguments.doubles(6, &counters)) {
    return nullptr;
  }
  const size_t capacity = slots.capacity() < counters.length ? slots.capacity() : counters.length;
  if (!arguments.range(4, capacity, &from, &to)) return nullptr;
  const OpenSsl& ssl = *openSsl();
  bool forged = false;
  for (size_t i = from; i < to; i++) {
    const int32_t length = slots.length.data[i];
    if (length <= 0) continue;
    const int32_t at = slots.offset.data[i];
    const double counter = counters.data[i];
    const int32_t plain = length - kTagSize;
    // The comparison is false for NaN too; a double below 2^64 converts without loss.
    const bool opened = counter >= 0 && counter < kCounterEnd && plain >= 0 &&
                        slots.bytes.holds(at, length) &&
                        openOne(ssl, cipher, slots.bytes.data + at, plain,
                                static_cast<size_t>(at), static_cast<uint64_t>(counter));
    slots.length.data[i] = opened ? plain : -1;
    forged = forged || !opened;
  }
  // A failed check leaves a record in OpenSSL's queue that node:crypto would find later.
  if (forged) ssl.clearErrors();
  return undefined(env);
}

napi_value cipherFree(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Cipher* cipher = nullptr;
  if (!arguments.object(0, kTag, &cipher)) return nullptr;
  forget(cipher);
  return undefined(env);
}

}  // namespace pvpn
