// Q8: a byte a weight, for the attention of precision fast.
#pragma once

#include <cstddef>
#include <cstdint>

#include "format/mxfp4.h"

namespace ossnb {

// Q8: a dense matrix with a byte a weight, made from bf16 for precision fast. A tile has 16 rows. Each group
// of 32 inputs has eight words of four codes a row ([8, 16 rows, 4], the first four words even inputs). After
// all groups come their scales, 16 a group in bf16, doubled. Codes are lifted by 128. A tile serves one token
// and many tokens alike: lane = row.
constexpr int kQ8Rows = 16, kQ8Lift = 128;
OSSNB_BOTH constexpr std::size_t q8_tile_bytes(int k) {
  return static_cast<std::size_t>(k / kGroup) * (kQ8Rows * kGroup + kQ8Rows * 2);
}

}  // namespace ossnb
