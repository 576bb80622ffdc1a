// bfloat16, the format of every weight that is not an expert's.
#pragma once

#include <bit>
#include <cstdint>

#include "base/both.h"

namespace ossnb {

using bf16 = std::uint16_t;  // the upper half of a float32

OSSNB_BOTH inline float bf16_to_f32(bf16 v) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(v) << 16);
}

}  // namespace ossnb
