/**
 * ChaCha20-Poly1305 (RFC 8439) of single packets by OpenSSL's own two primitives, without the layers
 * above them: those cost more than the cipher for small packets, and compute the one-time key apart from
 * the key stream, of which it is the first block. No JavaScript here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pvpn {

class ChaCha20Poly1305 {
 public:
  static constexpr size_t kKeySize = 32;
  static constexpr size_t kTagSize = 16;

  /** Does this process export the primitives, and do they agree with OpenSSL's public interface? Asked once. */
  static bool available();

  void setKey(const uint8_t* key);
  void wipe();
  /**
   * Seals `length` bytes in place; the tag goes behind them. `before`: bytes of the same memory in
   * front of the packet; a block of them is borrowed and put back.
   */
  void seal(uint8_t* packet, size_t length, size_t before, uint64_t counter) const;
  /** The reverse; the tag stands behind. False, and nothing is changed: a forgery. */
  bool open(uint8_t* packet, size_t length, size_t before, uint64_t counter) const;

 private:
  uint32_t key_[kKeySize / 4];
};

}  // namespace pvpn
