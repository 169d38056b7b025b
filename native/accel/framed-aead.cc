/**
 * One OpenSSL context per key; per packet only the nonce is set anew, because fetching the algorithm
 * and scheduling the key cost more than a packet. The nonce is the packet id and 8 bytes of the key's
 * own; a header of 4 bytes is authenticated with the packet id, one of 1 byte is not.
 */
#include "framed-aead.h"

#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "host.h"

namespace pvpn {
namespace {

constexpr napi_type_tag kTag = {0x5e0c7a91d2b84f36, 0xa14d9e6f03c28b57};
constexpr int kTagSize = 16;
constexpr int kIdSize = 4;
constexpr size_t kImplicitSize = 8;
constexpr int kShortHeader = 1;
constexpr int kLongHeader = 4;
constexpr int64_t kLastId = 0xffffffff;

struct Algorithm {
  const EvpCipher* (*OpenSsl::*cipher)();
  size_t keySize;
};

/** By number, as src/native/contract.ts names them. */
constexpr Algorithm kAlgorithms[] = {
    {&OpenSsl::aes128Gcm, 16},
    {&OpenSsl::aes192Gcm, 24},
    {&OpenSsl::aes256Gcm, 32},
    {&OpenSsl::chacha20Poly1305, 32},
};
constexpr int64_t kAlgorithmCount = sizeof kAlgorithms / sizeof kAlgorithms[0];

struct Framed {
  EvpContext* context;
  bool sealing;
  uint8_t nonce[kIdSize + kImplicitSize];
};

void forget(Framed* framed) {
  // OpenSSL cleanses the key when it frees a context.
  if (framed->context != nullptr) openSsl()->contextFree(framed->context);
  framed->context = nullptr;
}

void finalize(napi_env, void* data, void*) {
  Framed* framed = static_cast<Framed*>(data);
  forget(framed);
  free(framed);
}

bool usable(Arguments& arguments, Framed** framed, bool sealing) {
  if (!arguments.object(0, kTag, framed)) return false;
  if ((*framed)->context != nullptr && (*framed)->sealing == sealing) return true;
  throwCode(arguments.env(), "ERR_INVALID_STATE", "the key was forgotten, or is for the other way");
  return false;
}

void writeId(uint8_t* out, uint32_t id) {
  for (int i = 0; i < kIdSize; i++) out[i] = static_cast<uint8_t>(id >> (8 * (kIdSize - 1 - i)));
}

uint32_t readId(const uint8_t* in) {
  uint32_t id = 0;
  for (int i = 0; i < kIdSize; i++) id = (id << 8) | in[i];
  return id;
}

/** The packet starts at `start`: header and id are there, the payload stands behind the tag's place. */
bool sealOne(const OpenSsl& ssl, Framed* framed, uint8_t* start, int headerSize, int length) {
  uint8_t* id = start + headerSize;
  uint8_t* tag = id + kIdSize;
  uint8_t* payload = tag + kTagSize;
  const bool longHeader = headerSize == kLongHeader;
  memcpy(framed->nonce, id, kIdSize);
  int done = 0;
  int rest = 0;
  return ssl.init(framed->context, nullptr, nullptr, nullptr, framed->nonce, 1) == 1 &&
         ssl.update(framed->context, nullptr, &done, longHeader ? start : id,
                    longHeader ? headerSize + kIdSize : kIdSize) == 1 &&
         ssl.update(framed->context, payload, &done, payload, length) == 1 &&
         ssl.final(framed->context, payload + done, &rest) == 1 && done + rest == length &&
         ssl.contextControl(framed->context, OpenSsl::kGetTag, kTagSize, tag) == 1;
}

bool openOne(const OpenSsl& ssl, Framed* framed, uint8_t* start, int headerSize, int length) {
  uint8_t* id = start + headerSize;
  uint8_t* tag = id + kIdSize;
  uint8_t* payload = tag + kTagSize;
  const bool longHeader = headerSize == kLongHeader;
  memcpy(framed->nonce, id, kIdSize);
  int done = 0;
  int rest = 0;
  return ssl.init(framed->context, nullptr, nullptr, nullptr, framed->nonce, 0) == 1 &&
         ssl.contextControl(framed->context, OpenSsl::kSetTag, kTagSize, tag) == 1 &&
         ssl.update(framed->context, nullptr, &done, longHeader ? start : id,
                    longHeader ? headerSize + kIdSize : kIdSize) == 1 &&
         ssl.update(framed->context, payload, &done, payload, length) == 1 &&
         ssl.final(framed->context, payload + done, &rest) == 1 && done + rest == length;
}

}  // namespace

napi_value framedNew(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int64_t number = 0;
  Span<uint8_t> key;
  Span<uint8_t> implicit;
  bool sealing = false;
  if (!arguments.integer(0, 0, kAlgorithmCount - 1, &number) || !arguments.bytes(1, &key) ||
      !arguments.bytes(2, &implicit) || !arguments.flag(3, &sealing)) {
    return nullptr;
  }
  const Algorithm& algorithm = kAlgorithms[number];
  if (key.length != algorithm.keySize || implicit.length != kImplicitSize) {
    return throwCode(env, "ERR_CRYPTO_INVALID_KEYLEN", "the key's size does not fit the algorithm");
  }
  const OpenSsl& ssl = *openSsl();
  Framed* framed = static_cast<Framed*>(calloc(1, sizeof(Framed)));
  if (framed == nullptr) return throwCode(env, "ENOMEM", "no memory for a cipher");
  framed->sealing = sealing;
  memcpy(framed->nonce + kIdSize, implicit.data, kImplicitSize);
  framed->context = ssl.contextNew();
  const EvpCipher* evp = (ssl.*algorithm.cipher)();
  napi_value object = nullptr;
  if (framed->context != nullptr &&
      ssl.init(framed->context, evp, nullptr, key.data, nullptr, sealing ? 1 : 0) == 1) {
    object = wrap(env, framed, kTag, finalize);
  }
  if (object != nullptr) return object;
  ssl.clearErrors();
  finalize(env, framed, nullptr);
  return throwCode(env, "ERR_CRYPTO_UNSUPPORTED_OPERATION", "OpenSSL refused the algorithm");
}

napi_value framedSeal(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Framed* framed = nullptr;
  Slots slots;
  Span<uint8_t> header;
  size_t from = 0;
  size_t to = 0;
  int64_t id = 0;
  if (!usable(arguments, &framed, true) || !arguments.slots(1, &slots) ||
      !arguments.range(4, slots.capacity(), &from, &to) || !arguments.bytes(6, &header) ||
      !arguments.integer(7, 0, kLastId + 1, &id)) {
    return nullptr;
  }
  if (header.length != kShortHeader && header.length != kLongHeader) {
    return throwCode(env, "ERR_OUT_OF_RANGE", "a header has 1 or 4 bytes");
  }
  const OpenSsl& ssl = *openSsl();
  const int headerSize = static_cast<int>(header.length);
  const int before = headerSize + kIdSize + kTagSize;
  for (size_t i = from; i < to; i++) {
    const int32_t length = slots.length.data[i];
    if (length <= 0) continue;
    const int64_t start = static_cast<int64_t>(slots.offset.data[i]) - before;
    bool sealed = id <= kLastId && slots.bytes.holds(start, static_cast<int64_t>(length) + before);
    if (sealed) {
      uint8_t* packet = slots.bytes.data + start;
      memmove(packet, header.data, header.length);
      // An id that was begun is used up, whatever becomes of the packet.
      writeId(packet + headerSize, static_cast<uint32_t>(id++));
      sealed = sealOne(ssl, framed, packet, headerSize, length);
    }
    if (sealed) slots.offset.data[i] = static_cast<int32_t>(start);
    slots.length.data[i] = sealed ? length + before : -1;
  }
  return number(env, static_cast<double>(id));
}

napi_value framedOpen(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Framed* framed = nullptr;
  Slots slots;
  Span<double> ids;
  size_t from = 0;
  size_t to = 0;
  int64_t headerSize = 0;
  if (!usable(arguments, &framed, false) || !arguments.slots(1, &slots) ||
      !arguments.integer(6, kShortHeader, kLongHeader, &headerSize) || !arguments.doubles(7, &ids)) {
    return nullptr;
  }
  const size_t capacity = slots.capacity() < ids.length ? slots.capacity() : ids.length;
  if (!arguments.range(4, capacity, &from, &to)) return nullptr;
  const OpenSsl& ssl = *openSsl();
  const int32_t before = static_cast<int32_t>(headerSize) + kIdSize + kTagSize;
  bool forged = false;
  for (size_t i = from; i < to; i++) {
    const int32_t length = slots.length.data[i];
    if (length <= 0) continue;
    const int32_t start = slots.offset.data[i];
    const int32_t plain = length - before;
    const bool opened = plain > 0 && slots.bytes.holds(start, length) &&
                        openOne(ssl, framed, slots.bytes.data + start,
                                static_cast<int>(headerSize), plain);
    if (opened) {
      ids.data[i] = readId(slots.bytes.data + start + headerSize);
      slots.offset.data[i] = start + before;
    }
    slots.length.data[i] = opened ? plain : -1;
    forged = forged || !opened;
  }
  // A failed check leaves a record in OpenSSL's queue that node:crypto would find later.
  if (forged) ssl.clearErrors();
  return undefined(env);
}

napi_value framedFree(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Framed* framed = nullptr;
  if (!arguments.object(0, kTag, &framed)) return nullptr;
  forget(framed);
  return undefined(env);
}

}  // namespace pvpn
