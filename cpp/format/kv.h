// The formats of kept keys and values. Attention computes in float32 with the numbers that they are rounded
// to when they are stored, so the written order of its sums is that of every format.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "format/dtype.h"

namespace ossnb {

enum class KvFormat { float32, bf16, int8 };

// The keys, or the values, of one head in one block: tokens * width numbers, in the order that the device
// likes. int8 codes have a scale for each token behind them.
struct KvPart {
  KvFormat format;
  int tokens, width;

  OSSNB_BOTH constexpr std::size_t number_bytes() const {
    return format == KvFormat::float32 ? 4 : format == KvFormat::bf16 ? 2 : 1;
  }
  OSSNB_BOTH constexpr std::size_t scales_at() const {
    return static_cast<std::size_t>(tokens) * width * number_bytes();
  }
  OSSNB_BOTH constexpr std::size_t bytes() const {
    return scales_at() + (format == KvFormat::int8 ? tokens * sizeof(float) : 0);
  }
};

// The nearest bfloat16, of two equally near ones the even one. A NaN stays a NaN.
OSSNB_BOTH inline bf16 f32_to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if (x != x) return static_cast<bf16>(bits >> 16 | 0x40u);
  return static_cast<bf16>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

// A token's key, or its value, of one head as int8: x = scale * code. An infinity or a NaN makes every number
// NaN, so that it is not lost.
struct KvScale {
  float to_code, scale;

  OSSNB_BOTH KvScale(const float* x, int width) {
    constexpr float kTop = 127, kLeast = 1e-30f;  // kTop / kLeast is finite
    std::uint32_t bits = 0;                       // of the largest |x|; bits have the order of magnitudes
    for (int d = 0; d < width; ++d) bits = std::max(bits, std::bit_cast<std::uint32_t>(x[d]) & 0x7fffffffu);
    const float largest = std::max(std::bit_cast<float>(bits), kLeast);
    const bool is_finite = bits < 0x7f800000u;
    to_code = is_finite ? kTop / largest : 0;
    scale = is_finite ? largest / kTop : std::bit_cast<float>(0x7fc00000u);
  }
  OSSNB_BOTH std::int8_t code(float x) const {
    return to_code == 0 ? 0 : static_cast<std::int8_t>(std::lrintf(x * to_code));
  }
};

}  // namespace ossnb
