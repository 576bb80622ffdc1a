// Q6: six bits a weight, for the screen of the output layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "format/q8.h"

namespace ossnb {

// Q6: six bits a weight, to approximate products before lm_head itself is read. A tile has 16
// rows, group after group, so that a tile is one stream. Codes are lifted by 32. A group has first their
// lower four bits [4, 16 rows, 4], word q of Q8 in the lower halves of the bytes and word q + 4 in the upper
// ones. Then come their upper two bits [2, 16 rows, 4], words 0..3 from the lowest bits of the first, words
// 4..7 of the second. Then come 16 scales in the form of Q8's.
constexpr int kQ6Lift = 32, kQ6Codes = kQ8Rows * kGroup * 6 / 8, kQ6Group = kQ6Codes + kQ8Rows * 2;
OSSNB_BOTH constexpr std::size_t q6_tile_bytes(int k) {
  return static_cast<std::size_t>(k / kGroup) * kQ6Group;
}

// The codes of a group of row r.
inline void q6_codes(const std::uint8_t* group, int r, std::int8_t* codes) {
  constexpr int kWord = kQ8Rows * 4;
  const auto word = [&](int i) {  // four bytes
    std::uint32_t four;
    std::memcpy(&four, group + i * kWord + r * 4, 4);
    return four;
  };
  for (int q = 0; q < 4; ++q) {
    for (int odd = 0; odd < 2; ++odd) {
      const std::uint32_t low = word(q) >> (4 * odd) & 0x0f0f0f0f,
                          upper = word(4 + odd) >> (2 * q) & 0x03030303;
      const std::uint32_t four = low | upper << 4;
      for (int i = 0; i < 4; ++i)  // input 8 q + 2 i + odd
        codes[8 * q + 2 * i + odd] = static_cast<std::int8_t>((four >> (8 * i) & 63) - kQ6Lift);
    }
  }
}

}  // namespace ossnb
