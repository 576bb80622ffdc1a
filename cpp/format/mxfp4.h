// MXFP4, the format of the experts, defined once: codes in E2M1 (four bits) and scales in E8M0 (a power of
// two).
#pragma once

#include <bit>
#include <cstdint>

#include "base/both.h"

namespace ossnb {

// MXFP4: 32 consecutive inputs share one E8M0 scale; 16 bytes hold their codes, low nibble first (element
// 2j), then high (2j + 1).
constexpr int kGroup = 32;
constexpr int kGroupBytes = 16;

// Twice the E2M1 value of each code, so that a dot product with integers stays an integer; the scale below is
// halved.
constexpr std::int8_t kE2M1Twice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// SIMD dot products multiply unsigned by signed bytes. So the table is lifted by 12, and -12 *
// sum(activations) is added back.
constexpr int kLift = 12;

// 2^(s-127). Byte 0 is the subnormal 2^-127, which a plain shift into the exponent would turn into zero.
OSSNB_BOTH inline float e8m0_to_f32(std::uint8_t s) {
  const std::uint32_t bits = s == 0 ? 0x00400000u : static_cast<std::uint32_t>(s) << 23;
  return std::bit_cast<float>(bits);
}

}  // namespace ossnb
