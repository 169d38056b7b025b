#include "checksum.h"

#include <arpa/inet.h>
#include <string.h>

#include "arguments.h"

namespace pvpn {
namespace {

constexpr int64_t kMostSum = 9007199254740991;  // 2^53 - 1

uint64_t fold(uint64_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

/** Sum of the 16-bit words in the machine's order; an odd last byte counts as the first of its word. */
uint64_t add(const uint8_t* bytes, size_t length) {
  // 32 bits at a time: the one's complement sum does not care how the words are grouped (section 2).
  uint64_t sum = 0;
  size_t i = 0;
  for (; i + 4 <= length; i += 4) {
    uint32_t word;
    memcpy(&word, bytes + i, sizeof word);
    sum += word;
  }
  uint8_t tail[4] = {0, 0, 0, 0};
  memcpy(tail, bytes + i, length - i);
  uint32_t word;
  memcpy(&word, tail, sizeof word);
  return sum + word;
}

}  // namespace

napi_value checksum(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Span<uint8_t> bytes;
  int64_t at = 0;
  int64_t length = 0;
  int64_t sum = 0;
  if (!arguments.bytes(0, &bytes)) return nullptr;
  const int64_t size = static_cast<int64_t>(bytes.length);
  if (!arguments.integer(1, 0, size, &at) || !arguments.integer(2, 0, size - at, &length) ||
      !arguments.integer(3, 0, kMostSum, &sum)) {
    return nullptr;
  }
  // An empty typed array has no memory at all.
  const uint64_t words = length == 0 ? 0 : add(bytes.data + at, static_cast<size_t>(length));
  const uint64_t region = ntohs(static_cast<uint16_t>(fold(words)));
  return number(env, static_cast<double>(fold(region + fold(static_cast<uint64_t>(sum)))));
}

}  // namespace pvpn
