#include "chacha20-poly1305.h"

#include <initializer_list>
#include <string.h>

#include "host.h"

namespace pvpn {
namespace {

/** Bytes of a block of the key stream. The first is the one-time key; the packet begins with the second. */
constexpr size_t kBlock = 64;
constexpr size_t kOneTimeKey = 32;
/** A Poly1305 state that needs more than this is none that we know. */
constexpr size_t kMostState = 1024;
/** Packets up to this size are opened in one pass, in bytes. */
constexpr size_t kScratch = 2048;

uint32_t word(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

/** The cipher's counter of blocks, then the nonce: four zero bytes and the packet's counter. */
struct Position {
  uint32_t words[4];
  Position(uint32_t block, uint64_t counter)
      : words{block, 0, static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32)} {}
};

/** RFC 8439 section 2.8 without additional data. */
void authenticate(const Primitives& primitives, const uint8_t* oneTimeKey, const uint8_t* packet,
                  size_t length, uint8_t* tag) {
  alignas(64) uint8_t state[kMostState];
  const size_t whole = length & ~static_cast<size_t>(15);
  // The rest of the packet, zeros up to 16, and the two lengths.
  uint8_t end[32] = {0};
  if (length > whole) memcpy(end, packet + whole, length - whole);
  const size_t lengths = length > whole ? 16 : 0;
  for (size_t i = 0; i < 8; i++) end[lengths + 8 + i] = static_cast<uint8_t>(static_cast<uint64_t>(length) >> (8 * i));
  primitives.polyInit(state, oneTimeKey);
  if (whole > 0) primitives.polyUpdate(state, packet, whole);
  primitives.polyUpdate(state, end, lengths + 16);
  primitives.polyFinal(state, tag);  // cleanses the state
}

bool equal(const uint8_t* a, const uint8_t* b, size_t length) {
  uint8_t difference = 0;
  for (size_t i = 0; i < length; i++) difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

void wipeBytes(void* memory, size_t size) {
  memset(memory, 0, size);
  // The compiler must not find out that nobody reads it again.
  __asm__ __volatile__("" : : "r"(memory) : "memory");
}

/** The same packet by the public interface, from a context that has the key. */
bool sealPublicly(const OpenSsl& ssl, EvpContext* context, uint8_t* packet, int length,
                  uint64_t counter) {
  uint8_t nonce[12] = {0};
  for (size_t i = 0; i < 8; i++) nonce[4 + i] = static_cast<uint8_t>(counter >> (8 * i));
  int done = 0;
  int rest = 0;
  return ssl.init(context, nullptr, nullptr, nullptr, nonce, 1) == 1 &&
         ssl.update(context, packet, &done, packet, length) == 1 &&
         ssl.final(context, packet + done, &rest) == 1 &&
         ssl.contextControl(context, OpenSsl::kGetTag, 16, packet + length) == 1;
}

/** The primitives are not of the public interface: a build in which they mean something else is not used. */
bool agrees() {
  if (primitives() == nullptr || openSsl() == nullptr ||
      primitives()->polySize() > kMostState) {
    return false;
  }
  const OpenSsl& ssl = *openSsl();
  uint8_t key[ChaCha20Poly1305::kKeySize];
  for (size_t i = 0; i < sizeof key; i++) key[i] = static_cast<uint8_t>(i * 37 + 5);
  EvpContext* context = ssl.contextNew();
  bool same = context != nullptr &&
              ssl.init(context, ssl.chacha20Poly1305(), nullptr, key, nullptr, 1) == 1;
  ChaCha20Poly1305 ours;
  ours.setKey(key);
  uint8_t wanted[kScratch];
  uint8_t got[kBlock + kScratch];
  for (const size_t length : {size_t{1}, size_t{16}, size_t{63}, size_t{64}, size_t{333}, size_t{1420}}) {
    for (const size_t before : {size_t{0}, kBlock}) {
      if (!same) break;
      const uint64_t counter = 0x1122334455667788 + length;
      for (size_t i = 0; i < length; i++) wanted[i] = static_cast<uint8_t>(i * 11 + length);
      memset(got, 0x5a, kBlock);
      uint8_t* packet = got + kBlock;
      memcpy(packet, wanted, length);
      same = sealPublicly(ssl, context, wanted, static_cast<int>(length), counter);
      ours.seal(packet, length, before, counter);
      same = same && memcmp(packet, wanted, length + ChaCha20Poly1305::kTagSize) == 0 &&
             ours.open(packet, length, before, counter) && packet[0] == static_cast<uint8_t>(length);
      for (size_t i = 0; i < kBlock; i++) same = same && got[i] == 0x5a;
    }
  }
  if (context != nullptr) ssl.contextFree(context);
  ssl.clearErrors();
  return same;
}

}  // namespace

bool ChaCha20Poly1305::available() {
  static const bool found = agrees();
  return found;
}

void ChaCha20Poly1305::setKey(const uint8_t* key) {
  for (size_t i = 0; i < kKeySize / 4; i++) key_[i] = word(key + 4 * i);
}

void ChaCha20Poly1305::wipe() { wipeBytes(key_, sizeof key_); }

void ChaCha20Poly1305::seal(uint8_t* packet, size_t length, size_t before, uint64_t counter) const {
  const Primitives& use = *primitives();
  uint8_t first[kBlock] = {0};
  if (before >= kBlock) {
    // One run of the key stream: zeros in front of the packet become the one-time key.
    uint8_t* start = packet - kBlock;
    uint8_t kept[kBlock];
    memcpy(kept, start, kBlock);
    memset(start, 0, kBlock);
    use.chacha20(start, start, kBlock + length, key_, Position(0, counter).words);
    memcpy(first, start, kOneTimeKey);
    memcpy(start, kept, kBlock);
  } else {
    use.chacha20(first, first, kBlock, key_, Position(0, counter).words);
    use.chacha20(packet, packet, length, key_, Position(1, counter).words);
  }
  authenticate(use, first, packet, length, packet + length);
  wipeBytes(first, sizeof first);
}

bool ChaCha20Poly1305::open(uint8_t* packet, size_t length, size_t before, uint64_t counter) const {
  const Primitives& use = *primitives();
  uint8_t tag[kTagSize];
  uint8_t first[kBlock + kScratch];
  const bool once = before >= kBlock && length <= kScratch;
  if (once) {
    // As in `seal`, but the ciphertext has to stay until it is known to be authentic.
    uint8_t* start = packet - kBlock;
    uint8_t kept[kBlock];
    memcpy(kept, start, kBlock);
    memset(start, 0, kBlock);
    use.chacha20(first, start, kBlock + length, key_, Position(0, counter).words);
    memcpy(start, kept, kBlock);
  } else {
    memset(first, 0, kBlock);
    use.chacha20(first, first, kBlock, key_, Position(0, counter).words);
  }
  authenticate(use, first, packet, length, tag);
  const bool authentic = equal(tag, packet + length, kTagSize);
  if (authentic && once) {
    memcpy(packet, first + kBlock, length);
  } else if (authentic) {
    use.chacha20(packet, packet, length, key_, Position(1, counter).words);
  }
  wipeBytes(first, kBlock);
  return authentic;
}

}  // namespace pvpn
