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

/** Four words in one register; every compiler here makes vector instructions of it, or plain ones. */
typedef uint32_t Words __attribute__((vector_size(16)));
/** Steps after which a lane, which grows by two 16-bit words a step, could overflow. */
constexpr size_t kSteps = 32768;

/** Sum of the 16-bit words in the machine's order; an odd last byte counts as the first of its word. */
uint64_t add(const uint8_t* bytes, size_t length) {
  // The one's complement sum does not care how the words are grouped (section 2).
  uint64_t sum = 0;
  size_t i = 0;
  while (i + 2 * sizeof(Words) <= length) {
    Words a = {0, 0, 0, 0};
    Words b = {0, 0, 0, 0};
    for (size_t n = 0; n < kSteps && i + 2 * sizeof(Words) <= length; n++) {
      Words c;
      Words d;
      memcpy(&c, bytes + i, sizeof c);
      memcpy(&d, bytes + i + sizeof c, sizeof d);
      a += (c & 0xffff) + (c >> 16);
      b += (d & 0xffff) + (d >> 16);
      i += 2 * sizeof(Words);
    }
    for (int lane = 0; lane < 4; lane++) sum += static_cast<uint64_t>(a[lane]) + b[lane];
  }
  for (; i + 4 <= length; i += 4) {
    uint32_t word;
    memcpy(&word, bytes + i, sizeof word);
    sum += word;
  }
  uint8_t tail[4] = {0, 0, 0, 0};
  if (i < length) memcpy(tail, bytes + i, length - i);
  uint32_t word;
  memcpy(&word, tail, sizeof word);
  return sum + word;
}

/** The same folded, in network order. */
uint32_t sumOf(const uint8_t* bytes, size_t length) {
  return ntohs(static_cast<uint16_t>(fold(add(bytes, length))));
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
  const uint64_t region = length == 0 ? 0 : sumOf(bytes.data + at, static_cast<size_t>(length));
  return number(env, static_cast<double>(fold(region + fold(static_cast<uint64_t>(sum)))));
}

napi_value checksumSum(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Slots slots;
  Span<int32_t> out;
  size_t from = 0;
  size_t to = 0;
  int64_t least = 0;
  if (!arguments.slots(0, &slots) || !arguments.integer(5, 1, INT32_MAX, &least) ||
      !arguments.ints(6, &out)) {
    return nullptr;
  }
  const size_t capacity = slots.capacity() < out.length ? slots.capacity() : out.length;
  if (!arguments.range(3, capacity, &from, &to)) return nullptr;
  for (size_t i = from; i < to; i++) {
    const int32_t at = slots.offset.data[i];
    const int32_t length = slots.length.data[i];
    const bool wanted = length >= least && slots.bytes.holds(at, length);
    out.data[i] =
        wanted ? static_cast<int32_t>(sumOf(slots.bytes.data + at, static_cast<size_t>(length)))
               : -1;
  }
  return undefined(env);
}

napi_value checksumComplete(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Slots slots;
  Span<int32_t> open;
  size_t from = 0;
  size_t to = 0;
  if (!arguments.slots(0, &slots) || !arguments.ints(5, &open)) return nullptr;
  const size_t capacity = slots.capacity() < open.length ? slots.capacity() : open.length;
  if (!arguments.range(3, capacity, &from, &to)) return nullptr;
  for (size_t i = from; i < to; i++) {
    const uint32_t wanted = static_cast<uint32_t>(open.data[i]);
    if (wanted == 0) continue;
    const int64_t start = wanted & 0xffff;
    const int64_t field = wanted >> 16;
    const int64_t length = slots.length.data[i];
    const int64_t at = slots.offset.data[i];
    if (length < start || length < field + 2 || !slots.bytes.holds(at, length)) continue;
    uint8_t* packet = slots.bytes.data + at;
    const uint32_t sum =
        ~sumOf(packet + start, static_cast<size_t>(length - start)) & 0xffff;
    packet[field] = static_cast<uint8_t>(sum >> 8);
    packet[field + 1] = static_cast<uint8_t>(sum);
  }
  return undefined(env);
}

}  // namespace pvpn
